/*
 * libvirt leaves a domain's logs behind when the domain goes, readable by root alone, so it is the
 * root side that takes them away with the rest of a sandbox, and shows the
 * console's to its user.
 */
#include "hook/logs.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/text.h"
#include "hook/protocol.h"

#define LOG_DIR "/var/log/libvirt/qemu"
#define ROTATED 10 /* virtlogd's max_backups is 3 unless somebody changed it */

static int remove_one(int dirfd, const char *file, struct error *err)
{
	if (unlinkat(dirfd, file, 0) == 0 || errno == ENOENT)
		return 0;
	return error_errno(err, EX_IOERR, "cannot remove " LOG_DIR "/%s", file);
}

static int remove_with_rotated(int dirfd, const char *file, struct error *err)
{
	if (remove_one(dirfd, file, err) < 0)
		return -1;
	for (int i = 0; i < ROTATED; i++) {
		_cleanup_free_ char *rotated = text_format("%s.%d", file, i);

		if (remove_one(dirfd, rotated, err) < 0)
			return -1;
	}
	return 0;
}

/* One of each virtiofsd. */
static int remove_of_shares(const char *name, int dirfd, struct error *err)
{
	for (int i = 0; i < SHARE_MAX; i++) {
		_cleanup_free_ char *file =
			text_format(SANDBOX_PREFIX "%s-fs%d-virtiofsd.log", name, i);

		if (remove_with_rotated(dirfd, file, err) < 0)
			return -1;
	}
	return 0;
}

int logs_remove(const char *name, struct error *err)
{
	_cleanup_free_ char *qemu = text_format(SANDBOX_PREFIX "%s.log", name);
	_cleanup_free_ char *console = text_format(SANDBOX_PREFIX "%s-console.log", name);
	_cleanup_close_ int dirfd = open(LOG_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (dirfd < 0)
		return errno == ENOENT ? 0 : error_errno(err, EX_IOERR, LOG_DIR);
	if (remove_with_rotated(dirfd, qemu, err) < 0 || remove_of_shares(name, dirfd, err) < 0)
		return -1;
	return remove_with_rotated(dirfd, console, err);
}

int logs_console(const char *name, size_t max, struct strbuf *text, struct error *err)
{
	_cleanup_free_ char *path = text_format(LOG_DIR "/" SANDBOX_PREFIX "%s-console.log", name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char chunk[4096];
	struct stat status;
	ssize_t got;

	if (fd < 0 && errno == ENOENT)
		return error_set(err, EX_NOINPUT, "%s has printed nothing yet", name);
	if (fd < 0 || fstat(fd, &status) < 0)
		return error_errno(err, EX_IOERR, "cannot read the console's log");
	if (!S_ISREG(status.st_mode))
		return error_set(err, EX_IOERR, "the console's log is no file");
	if (status.st_size > (off_t)max && lseek(fd, status.st_size - (off_t)max, SEEK_SET) < 0)
		return error_errno(err, EX_IOERR, "cannot read the console's log");
	while (text->length < max && (got = read(fd, chunk, sizeof(chunk))) != 0) {
		if (got < 0)
			return error_errno(err, EX_IOERR, "cannot read the console's log");
		strbuf_add(text, chunk,
			   (size_t)got > max - text->length ? max - text->length : (size_t)got);
	}
	return 0;
}
