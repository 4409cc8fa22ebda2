/*
 * Namespaces by name. The name is a bind mount; /run/netns has to be on a shared mount, else a
 * sandbox's QEMU, which has a mount namespace of its own, would keep its neighbours' namespaces
 * after they are gone.
 */
#include "network/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "base/file.h"
#include "base/mount.h"
#include "base/parse.h"
#include "base/text.h"

#define NETNS_DIR  "/run/netns"
#define NSFS_MAGIC 0x6e736673 /* linux/magic.h */

static char *netns_path(const char *name)
{
	return text_format(NETNS_DIR "/%s", name);
}

int netns_enter(struct netns_scope *scope, int fd, struct error *err)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (home < 0)
		return error_errno(err, EX_OSERR, "cannot open the own network namespace");
	if (setns(fd, CLONE_NEWNET) < 0) {
		error_errno(err, EX_OSERR, "cannot enter the network namespace");
		close(home);
		return -1;
	}
	scope->home = home;
	return 0;
}

void netns_leave(struct netns_scope *scope)
{
	if (scope->home < 0)
		return;
	if (setns(scope->home, CLONE_NEWNET) < 0)
		abort();
	close(scope->home);
	scope->home = -1;
}

int netns_create(const char *name, int *ret_fd, struct error *err)
{
	_cleanup_free_ char *path = netns_path(name);
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	_cleanup_close_ int file = -1;
	_cleanup_close_ int fd = -1;

	if (mount_ensure_shared(NETNS_DIR, err) < 0)
		return -1;
	file = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0000);
	if (file < 0)
		return error_errno(err, EX_OSERR, "cannot make %s", path);
	scope.home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (scope.home < 0 || unshare(CLONE_NEWNET) < 0)
		return error_errno(err, EX_OSERR, "cannot make a network namespace");
	fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || mount("/proc/thread-self/ns/net", path, "none", MS_BIND, NULL) < 0)
		return error_errno(err, EX_OSERR, "cannot name the network namespace %s", name);
	*ret_fd = take_fd(&fd);
	return 0;
}

int netns_open(const char *name, int *ret_fd, struct error *err)
{
	_cleanup_free_ char *path = netns_path(name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct statfs status;

	*ret_fd = -1;
	if (fd < 0) {
		/* A name without a mount has mode 0000, which stops nobody who is root. */
		if (errno == ENOENT)
			return 0;
		return error_errno(err, EX_OSERR, "%s", path);
	}
	if (fstatfs(fd, &status) < 0)
		return error_errno(err, EX_OSERR, "%s", path);
	if (status.f_type == NSFS_MAGIC)
		*ret_fd = take_fd(&fd);
	return 0;
}

int netns_remove(const char *name, struct error *err)
{
	_cleanup_free_ char *path = netns_path(name);

	while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	if (errno != EINVAL && errno != ENOENT)
		return error_errno(err, EX_OSERR, "cannot unmount %s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, EX_OSERR, "cannot remove %s", path);
	return 0;
}

static bool is_inside(pid_t pid, const void *data)
{
	_cleanup_free_ char *path = text_format("/proc/%d/ns/net", (int)pid);
	const struct stat *wanted = data;
	struct stat status;

	return stat(path, &status) == 0 && status.st_ino == wanted->st_ino &&
	       status.st_dev == wanted->st_dev;
}

int netns_processes(int fd, struct pids *pids, struct error *err)
{
	struct stat wanted;

	if (fstat(fd, &wanted) < 0)
		return error_errno(err, EX_OSERR, "cannot look at a network namespace");
	return proc_find(is_inside, &wanted, pids, err);
}

int sysctl_write(const char *path, const char *value)
{
	_cleanup_free_ char *full = text_format("/proc/sys/%s", path);
	_cleanup_close_ int fd = open(full, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	return file_write_fd(fd, value, strlen(value));
}

int sysctl_read(const char *path, char *buffer, size_t size)
{
	_cleanup_free_ char *full = text_format("/proc/sys/%s", path);
	_cleanup_close_ int fd = open(full, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -1;
	got = read(fd, buffer, size - 1);
	if (got < 0)
		return -1;
	buffer[got] = '\0';
	buffer[strcspn(buffer, "\n")] = '\0';
	return 0;
}
