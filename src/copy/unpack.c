/*
 * What a guest sends becomes files of the user's. It gets regular files and directories below one
 * directory and nothing else: each path is taken apart and walked with openat2(2), which follows no
 * link, so neither a link that came before it in the stream nor one that lies there, nor one that
 * somebody puts there meanwhile, leads out. A file appears under its name when it is complete; a
 * link of that name is replaced, not followed.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "copy/copy.h"

#define NAME_BYTES_MAX 255

static int take_entry(void *data, const struct tar_entry *entry, struct error *err);
static int take_content(void *data, const char *bytes, size_t length, struct error *err);
static int take_complete(void *data, struct error *err);

static const struct tar_handler handler = {take_entry, take_content, take_complete};

/* Ends the file that is being written; what is not complete goes. */
static void close_file(struct unpack *unpack)
{
	if (unpack->temporary && unpack->parent >= 0)
		unlinkat(unpack->parent, unpack->temporary, 0);
	cleanup_close(&unpack->file);
	cleanup_close(&unpack->parent);
	text_replace(&unpack->temporary, NULL);
	text_replace(&unpack->target, NULL);
	text_replace(&unpack->path, NULL);
}

void unpack_done(struct unpack *unpack)
{
	close_file(unpack);
	tar_reader_done(&unpack->reader);
	copy_report_done(&unpack->report);
}

static int unasked(const char *path, struct error *err)
{
	return error_set(err, EX_DATAERR, "the guest sends '%s', which was not asked for", path);
}

/* A path of components other than "", "." and ".."; a slash at its end and "./" before it go. */
static char *clean_path(const char *path)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	while (path[0] == '.' && path[1] == '/')
		path += 2;
	if (text_equal(path, ".") || !*path)
		return text_dup("");
	for (;;) {
		size_t length = strcspn(path, "/");

		if (!length || length > NAME_BYTES_MAX ||
		    (length <= 2 && strncmp(path, "..", length) == 0))
			return NULL;
		strbuf_addf(&out, "%s%.*s", out.length ? "/" : "", (int)length, path);
		path += length;
		if (!*path || text_equal(path, "/"))
			return strbuf_take(&out);
		path++;
	}
}

/* Where in @top the entry belongs; "" for @top itself. NULL: nowhere. */
static char *place_of(const struct unpack *unpack, const char *path)
{
	_cleanup_free_ char *clean = clean_path(path);
	const char *rest = clean;

	if (!clean)
		return NULL;
	if (!text_equal(unpack->root, ".")) {
		size_t length = strlen(unpack->root);

		if (!text_starts(clean, unpack->root) || (clean[length] && clean[length] != '/'))
			return NULL;
		rest = clean + length + (clean[length] == '/');
	}
	if (!unpack->name)
		return text_dup(rest);
	return *rest ? text_format("%s/%s", unpack->name, rest) : text_dup(unpack->name);
}

/* Opens the directory that @place lies in; *ret_name is its last component. */
static int open_parent(const struct unpack *unpack, const char *place, const char **ret_name,
		       struct error *err)
{
	const char *slash = strrchr(place, '/');
	_cleanup_free_ char *parent = slash ? text_dup_n(place, (size_t)(slash - place)) : NULL;
	int fd = file_open_beneath(unpack->top, parent ? parent : ".",
				   O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0);

	if (fd < 0)
		return error_errno(err, EX_CANTCREAT, "cannot go into '%s'", parent ? parent : ".");
	*ret_name = slash ? slash + 1 : place;
	return fd;
}

static int make_directory(struct unpack *unpack, const char *place, mode_t mode, struct error *err)
{
	_cleanup_close_ int parent = -1;
	_cleanup_close_ int made = -1;
	const char *name = NULL;

	unpack->report.directories++;
	if (!*place)
		return 0;
	parent = open_parent(unpack, place, &name, err);
	if (parent < 0)
		return -1;
	if (mkdirat(parent, name, (mode & 0777) | 0700) < 0 && errno != EEXIST)
		return error_errno(err, EX_CANTCREAT, "cannot make the directory '%s'", place);
	made = file_open_beneath(parent, name, O_PATH | O_DIRECTORY, 0);
	if (made < 0)
		return error_errno(err, EX_CANTCREAT, "'%s' is there and no directory", place);
	return 0;
}

static int begin_file(struct unpack *unpack, const char *place, mode_t mode, struct error *err)
{
	const char *name = NULL;

	if (!*place)
		return error_set(err, EX_DATAERR, "the guest sends a file, not a directory");
	close_file(unpack);
	unpack->parent = open_parent(unpack, place, &name, err);
	if (unpack->parent < 0)
		return -1;
	unpack->path = text_dup(place);
	unpack->target = text_dup(name);
	unpack->temporary =
		text_format(".migrant-cp.%d.%" PRIu64, (int)getpid(), unpack->report.files);
	unpack->mode = mode & 0777;
	unpack->file = openat(unpack->parent, unpack->temporary,
			      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, unpack->mode);
	if (unpack->file >= 0)
		return 0;
	error_errno(err, EX_CANTCREAT, "cannot make '%s'", place);
	text_replace(&unpack->temporary, NULL); /* it is not ours */
	return -1;
}

static int check_limits(const struct unpack *unpack, const struct tar_entry *entry,
			struct error *err)
{
	const struct copy_report *report = &unpack->report;
	uint64_t entries = report->files + report->directories + report->skipped;

	if (entries >= unpack->limits.entries) {
		error_set(err, EX_DATAERR, "the guest sends more than %" PRIu64 " entries",
			  unpack->limits.entries);
		return error_hint(err, "--max-files N allows more");
	}
	if (entry->size > unpack->limits.bytes - report->bytes) {
		error_set(err, EX_DATAERR,
			  "the guest sends more than %" PRIu64 " MiB: '%s' has "
			  "%" PRIu64 " MiB",
			  unpack->limits.bytes >> 20, entry->path, entry->size >> 20);
		return error_hint(err, "--max-size SIZE allows more");
	}
	return 0;
}

static int take_entry(void *data, const struct tar_entry *entry, struct error *err)
{
	static const char *const others[] = {
		[TAR_SYMLINK] = "a symbolic link",
		[TAR_HARD_LINK] = "a hard link",
		[TAR_DEVICE] = "a device",
		[TAR_FIFO] = "a FIFO",
	};
	struct unpack *unpack = data;
	_cleanup_free_ char *place = place_of(unpack, entry->path);

	if (!place)
		return unasked(entry->path, err);
	if (check_limits(unpack, entry, err) < 0)
		return -1;
	if (entry->type == TAR_DIRECTORY)
		return make_directory(unpack, place, entry->mode, err);
	if (entry->type == TAR_FILE)
		return begin_file(unpack, place, entry->mode, err);
	copy_skip(&unpack->report, entry->path, others[entry->type]);
	return 0;
}

static int take_content(void *data, const char *bytes, size_t length, struct error *err)
{
	struct unpack *unpack = data;

	unpack->report.bytes += length;
	if (file_write_fd(unpack->file, bytes, length) < 0)
		return error_errno(err, EX_IOERR, "cannot write '%s'", unpack->path);
	return 0;
}

static int take_complete(void *data, struct error *err)
{
	struct unpack *unpack = data;

	if (close(take_fd(&unpack->file)) < 0)
		return error_errno(err, EX_IOERR, "cannot write '%s'", unpack->path);
	if (renameat(unpack->parent, unpack->temporary, unpack->parent, unpack->target) < 0)
		return error_errno(err, EX_CANTCREAT, "cannot make '%s'", unpack->path);
	text_replace(&unpack->temporary, NULL);
	unpack->report.files++;
	close_file(unpack);
	return 0;
}

int unpack_take(struct unpack *unpack, const char *bytes, size_t length, struct error *err)
{
	unpack->reader.handler = &handler;
	unpack->reader.data = unpack;
	return tar_read(&unpack->reader, bytes, length, err);
}

int unpack_end(struct unpack *unpack, struct error *err)
{
	return tar_read_end(&unpack->reader, err);
}
