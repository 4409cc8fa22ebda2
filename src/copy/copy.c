/*
 * What both directions share: names, the way to a path of the host, the count of what stays behind.
 */
#include "copy/copy.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "base/text.h"

void copy_report_done(struct copy_report *report)
{
	for (size_t i = 0; i < COPY_NAMED_MAX; i++)
		free(report->named[i]);
}

void copy_report_tell(const struct copy_report *report, const char *place)
{
	for (size_t i = 0; i < COPY_NAMED_MAX && report->named[i]; i++)
		log_warning("not copied: %s", report->named[i]);
	if (report->skipped > COPY_NAMED_MAX)
		log_warning("not copied: %" PRIu64 " more", report->skipped - COPY_NAMED_MAX);
	log_info("%s%s%" PRIu64 " file%s, %" PRIu64 " KiB", place ? place : "", place ? ": " : "",
		 report->files, report->files == 1 ? "" : "s", (report->bytes + 1023) >> 10);
}

void copy_skip(struct copy_report *report, const char *path, const char *what)
{
	if (report->skipped < COPY_NAMED_MAX)
		report->named[report->skipped] = text_format("%s: %s", path, what);
	report->skipped++;
}

/* Length of @path without the slashes at its end; the root keeps its one. */
static size_t trimmed(const char *path)
{
	size_t length = strlen(path);

	while (length > 1 && path[length - 1] == '/')
		length--;
	return length;
}

/* Where the last component of the first @length bytes begins. */
static size_t last_begin(const char *path, size_t length)
{
	while (length && path[length - 1] != '/')
		length--;
	return length;
}

char *copy_name(const char *path)
{
	size_t end = trimmed(path);
	size_t begin = last_begin(path, end);
	_cleanup_free_ char *name = text_dup_n(path + begin, end - begin);

	if (!*name || text_equal(name, ".") || text_equal(name, ".."))
		return text_dup(".");
	return take_ptr(name);
}

char *copy_parent(const char *path)
{
	_cleanup_free_ char *name = copy_name(path);
	size_t begin = last_begin(path, trimmed(path));

	if (text_equal(name, "."))
		return text_dup(*path ? path : ".");
	return begin ? text_dup_n(path, begin) : text_dup(".");
}

static int link_error(const char *path, struct error *err)
{
	_cleanup_free_ char *real = realpath(path, NULL);

	error_set(err, EX_NOPERM, "%s goes through a symbolic link, which is not followed", path);
	return real ? error_hint(err, "if that is what you want: %s", real) : -1;
}

int copy_open(const char *path, int flags, struct error *err)
{
	/* openat2(2) takes O_PATH with few others only; it waits for nothing anyway. */
	int more = flags & O_PATH ? O_CLOEXEC : O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | more),
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	if (fd >= 0)
		return fd;
	if (errno == ELOOP)
		return link_error(path, err);
	return error_errno(err,
			   errno == ENOENT || errno == ENOTDIR ? EX_NOINPUT
			   : errno == EACCES		       ? EX_NOPERM
							       : EX_IOERR,
			   "%s", path);
}

int copy_find_target(const char *path, bool *ret_is_directory, struct error *err)
{
	_cleanup_error_ struct error missing = ERROR_INIT;
	_cleanup_close_ int fd = copy_open(path, O_PATH, &missing);
	struct stat status = {.st_mode = S_IFREG};

	if (fd < 0 && missing.code != EX_NOINPUT) {
		error_move(err, &missing);
		return -1;
	}
	if (fd >= 0 && fstat(fd, &status) < 0)
		return error_errno(err, EX_IOERR, "%s", path);
	if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
		error_set(err, EX_CANTCREAT, "%s is neither a file nor a directory", path);
		return error_hint(err, "'migrant exec -- cat FILE >%s' writes into it", path);
	}
	*ret_is_directory = S_ISDIR(status.st_mode);
	return 0;
}
