/*
 * The directories here are root's and nobody else may write into them, so that what lies in them
 * under a fixed name is what root made there. The content of the two files is their owner's to
 * change: nothing of root's ever reads it.
 */
#include "hook/network_log.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/text.h"

#define OWNER_FILE "owner"
#define OWNER_MAX  64	/* bytes */
#define MODE	   0711 /* to be passed through by who knows the name */

const char *const network_log_files[NETWORK_LOG_FILES] = {"network.0", "network.1"};

/* Opens a directory that only root can change. -1 with ENOENT among others. */
static int open_directory(int parent, const char *name, int *ret_fd, struct error *err)
{
	_cleanup_close_ int fd =
		openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return error_errno(err, EX_IOERR, "cannot open the log directory %s", name);
	if (status.st_uid != 0 || status.st_mode & 022)
		return error_set(err, EX_NOPERM, "the log directory %s is not of root alone", name);
	*ret_fd = take_fd(&fd);
	return 0;
}

static int make_directory(int parent, const char *name, int *ret_fd, struct error *err)
{
	if (mkdirat(parent, name, MODE) < 0 && errno != EEXIST)
		return error_errno(err, EX_CANTCREAT, "cannot make the log directory %s", name);
	return open_directory(parent, name, ret_fd, err);
}

/* Opens the directory of @name's log; *ret_fd is -1 when there is none. */
static int open_log(const char *name, int *ret_fd, struct error *err)
{
	_cleanup_close_ int all = -1;

	if (open_directory(AT_FDCWD, NETWORK_LOG_DIR, &all, err) < 0 ||
	    open_directory(all, name, ret_fd, err) < 0) {
		if (err->err != ENOENT)
			return -1;
		error_done(err);
		*ret_fd = -1;
	}
	return 0;
}

static int remove_files(int log, struct error *err)
{
	for (size_t i = 0; i < NETWORK_LOG_FILES; i++)
		if (unlinkat(log, network_log_files[i], 0) < 0 && errno != ENOENT)
			return error_errno(err, EX_IOERR, "cannot remove %s", network_log_files[i]);
	return 0;
}

static int read_owner(int log, uid_t *ret_owner, bool *ret_found, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	uint64_t number;

	*ret_found = false;
	if (file_read(log, OWNER_FILE, OWNER_MAX, &text, NULL, err) < 0) {
		if (err->code != EX_NOINPUT)
			return -1;
		error_done(err);
		return 0;
	}
	text[strcspn(text, "\n")] = '\0';
	if (parse_number(text, 0, (uid_t)-1 - UINT64_C(1), &number) < 0)
		return error_set(err, EX_DATAERR, "the log's owner file holds no user");
	*ret_owner = (uid_t)number;
	*ret_found = true;
	return 0;
}

static int write_owner(int log, uid_t owner, struct error *err)
{
	_cleanup_free_ char *text = text_format("%u\n", owner);

	return file_replace(log, OWNER_FILE, text, strlen(text), 0644, err);
}

int network_log_prepare(const char *name, uid_t owner, struct error *err)
{
	_cleanup_close_ int all = -1;
	_cleanup_close_ int log = -1;
	uid_t before = 0;
	bool found = false;

	if (make_directory(AT_FDCWD, NETWORK_LOG_DIR, &all, err) < 0 ||
	    make_directory(all, name, &log, err) < 0 || read_owner(log, &before, &found, err) < 0)
		return -1;
	if (found && before == owner)
		return 0;
	if (remove_files(log, err) < 0)
		return -1;
	return write_owner(log, owner, err);
}

static int open_file(int log, const char *file, uid_t owner, gid_t group, int *ret_fd,
		     struct error *err)
{
	_cleanup_close_ int fd = openat(
		log, file, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return error_errno(err, EX_CANTCREAT, "cannot open the log file %s", file);
	if (!S_ISREG(status.st_mode))
		return error_set(err, EX_CANTCREAT, "the log file %s is no file", file);
	if (fchown(fd, owner, group) < 0)
		return error_errno(err, EX_CANTCREAT, "cannot hand over the log file %s", file);
	*ret_fd = take_fd(&fd);
	return 0;
}

int network_log_open(const char *name, uid_t owner, gid_t group, int ret_fds[NETWORK_LOG_FILES],
		     struct error *err)
{
	_cleanup_close_ int log = -1;

	if (open_log(name, &log, err) < 0)
		return -1;
	if (log < 0)
		return error_set(err, EX_CANTCREAT, "there is no log directory of %s", name);
	for (size_t i = 0; i < NETWORK_LOG_FILES; i++)
		if (open_file(log, network_log_files[i], owner, group, &ret_fds[i], err) < 0)
			return -1;
	return 0;
}

int network_log_owner(const char *name, uid_t *ret_owner, bool *ret_found, struct error *err)
{
	_cleanup_close_ int log = -1;

	*ret_found = false;
	if (open_log(name, &log, err) < 0)
		return -1;
	return log < 0 ? 0 : read_owner(log, ret_owner, ret_found, err);
}

/* The owner file goes last: while anything is left it says whose that is. */
int network_log_remove(const char *name, struct error *err)
{
	_cleanup_close_ int all = -1;
	_cleanup_close_ int log = -1;

	if (open_log(name, &log, err) < 0)
		return -1;
	if (log < 0)
		return 0;
	if (remove_files(log, err) < 0 || open_directory(AT_FDCWD, NETWORK_LOG_DIR, &all, err) < 0)
		return -1;
	return file_remove_tree(all, name, err);
}
