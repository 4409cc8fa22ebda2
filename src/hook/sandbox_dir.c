/*
 * The directory of a running sandbox. Root alone writes here: everybody may read the record, and
 * what else lies beside it is nobody's business.
 */
#include "hook/sandbox_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"

#define LOCK_FILE RUN_DIR "/lock"

char *sandbox_directory(const char *name)
{
	return text_format(RUN_DIR "/%s", name);
}

/* Makes a directory of root's that others may only pass through. */
static int make_directory(const char *path, struct error *err)
{
	struct stat status;

	if (mkdir(path, 0711) < 0 && errno != EEXIST)
		return error_errno(err, EX_CANTCREAT, "cannot make %s", path);
	if (lstat(path, &status) < 0)
		return error_errno(err, EX_CANTCREAT, "%s", path);
	if (!S_ISDIR(status.st_mode) || status.st_uid != 0 || status.st_mode & 022)
		return error_set(err, EX_NOPERM, "%s is not a directory of root alone", path);
	return 0;
}

/* Opens and locks the file. *ret_fd stays -1 when the file was removed while we waited for it. */
static int try_lock(int *ret_fd, struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct stat locked, named;

	if (make_directory(RUN_DIR, err) < 0)
		return -1;
	fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_errno(err, EX_CANTCREAT, LOCK_FILE);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return error_errno(err, EX_OSERR, LOCK_FILE);
	if (fstat(fd, &locked) < 0)
		return error_errno(err, EX_OSERR, LOCK_FILE);
	if (stat(LOCK_FILE, &named) == 0 && named.st_ino == locked.st_ino)
		*ret_fd = take_fd(&fd);
	return 0;
}

int sandbox_lock(int *ret_fd, struct error *err)
{
	*ret_fd = -1;
	while (*ret_fd < 0)
		if (try_lock(ret_fd, err) < 0)
			return -1;
	return 0;
}

void sandbox_directory_sweep(void)
{
	_cleanup_closedir_ DIR *dir = opendir(RUN_DIR);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		/* Of a hook that was killed while it wrote: the lock is ours, so nobody writes now.
		 */
		if (text_ends(entry->d_name, ".tmp"))
			(void)!unlinkat(dirfd(dir), entry->d_name, 0);
		else if (entry->d_name[0] != '.' && !text_equal(entry->d_name, "lock"))
			return;
	}
	(void)!unlink(LOCK_FILE);
	(void)!rmdir(RUN_DIR);
	(void)!rmdir(NETNS_DIR); /* stays when others have namespaces */
}

int sandbox_directory_make(const char *name, struct error *err)
{
	_cleanup_free_ char *path = sandbox_directory(name);

	return make_directory(path, err);
}

int sandbox_directory_remove(const char *name, struct error *err)
{
	_cleanup_free_ char *record = text_format(RUN_DIR "/%s/" RECORD_FILE, name);
	_cleanup_close_ int run = open(RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (run < 0)
		return errno == ENOENT ? 0 : error_errno(err, EX_OSERR, RUN_DIR);
	if (unlink(record) < 0 && errno != ENOENT)
		return error_errno(err, EX_OSERR, "%s", record);
	return file_remove_tree(run, name, err);
}

int sandbox_record_store(const struct record *record, struct error *err)
{
	_cleanup_free_ char *path = text_format(RUN_DIR "/%s/" RECORD_FILE, record->name);
	_cleanup_free_ char *text = record_format(record);

	return file_replace(AT_FDCWD, path, text, strlen(text), 0644, err);
}
