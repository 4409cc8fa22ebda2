/*
 * File access with a cap on everything: sizes, followed links, waiting.
 */
#include "base/file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/strbuf.h"
#include "base/text.h"

#define TREE_DEPTH_MAX 64

static int exit_code_for(int number)
{
	switch (number) {
	case ENOENT:
	case ENOTDIR:
		return EX_NOINPUT;
	case EACCES:
	case EPERM:
		return EX_NOPERM;
	default:
		return EX_IOERR;
	}
}

int file_read_fd(int fd, size_t max, char **ret_text, size_t *ret_length, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	char chunk[16384];

	for (;;) {
		ssize_t got = read(fd, chunk, sizeof(chunk));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(err, EX_IOERR, "cannot read");
		if (got == 0)
			break;
		if ((size_t)got > max - text.length)
			return error_set(err, EX_DATAERR, "larger than %zu bytes", max);
		strbuf_add(&text, chunk, (size_t)got);
	}
	if (ret_length)
		*ret_length = text.length;
	*ret_text = strbuf_take(&text);
	return 0;
}

int file_read(int dirfd, const char *path, size_t max, char **ret_text, size_t *ret_length,
	      struct error *err)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;

	if (fd < 0)
		return error_errno(err, exit_code_for(errno), "%s", path);
	if (fstat(fd, &status) < 0)
		return error_errno(err, EX_IOERR, "%s", path);
	if (!S_ISREG(status.st_mode))
		return error_set(err, EX_DATAERR, "%s: not a regular file", path);
	if (file_read_fd(fd, max, ret_text, ret_length, err) < 0)
		return error_prefix(err, "%s", path);
	return 0;
}

int file_write_fd(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length) {
		ssize_t done = write(fd, at, length);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		at += done;
		length -= (size_t)done;
	}
	return 0;
}

static int write_temporary(int dirfd, const char *name, const void *bytes, size_t length,
			   mode_t mode)
{
	_cleanup_close_ int fd =
		openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -1;
	if (fchmod(fd, mode) < 0 || file_write_fd(fd, bytes, length) < 0 || fsync(fd) < 0)
		return -1;
	return 0;
}

int file_replace(int dirfd, const char *path, const void *bytes, size_t length, mode_t mode,
		 struct error *err)
{
	_cleanup_free_ char *temporary = text_format("%s.%d.tmp", path, (int)getpid());

	unlinkat(dirfd, temporary, 0); /* of an earlier process with our pid */
	if (write_temporary(dirfd, temporary, bytes, length, mode) < 0 ||
	    renameat(dirfd, temporary, dirfd, path) < 0) {
		error_errno(err, EX_CANTCREAT, "cannot write %s", path);
		unlinkat(dirfd, temporary, 0);
		return -1;
	}
	return 0;
}

int file_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
}

int file_make_dirs(const char *path, mode_t mode, struct error *err)
{
	_cleanup_free_ char *partial = text_dup(path);

	for (char *slash = strchr(partial + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		if (mkdir(partial, mode) < 0 && errno != EEXIST)
			return error_errno(err, EX_CANTCREAT, "cannot make directory %s", partial);
		if (!slash)
			return 0;
		*slash = '/';
	}
}

static int remove_entry(int dirfd, const char *name, unsigned int depth)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if ((errno != EISDIR && errno != EPERM) || depth == TREE_DEPTH_MAX)
		return -1;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -1;
	}
	while ((entry = readdir(dir))) {
		if (text_equal(entry->d_name, ".") || text_equal(entry->d_name, ".."))
			continue;
		if (remove_entry(fd, entry->d_name, depth + 1) < 0)
			return -1;
	}
	return unlinkat(dirfd, name, AT_REMOVEDIR);
}

int file_remove_tree(int dirfd, const char *name, struct error *err)
{
	if (remove_entry(dirfd, name, 0) < 0)
		return error_errno(err, EX_IOERR, "cannot remove %s", name);
	return 0;
}

int file_memory(const char *name, const void *bytes, size_t length)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || file_write_fd(fd, bytes, length) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -1;
	return take_fd(&fd);
}
