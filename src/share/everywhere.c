/*
 * A process that was started while a share was mounted has a copy of that mount, unless it lay on a
 * shared one. So namespaces are visited one by one: each is entered by a child of its own, which
 * unmounts what it finds by descriptor, never by a name that somebody could give to another
 * directory meanwhile.
 */
#include "share/everywhere.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/mount.h"
#include "base/parse.h"
#include "base/proc.h"
#include "base/process.h"
#include "base/text.h"
#include "share/identity.h"
#include "share/loop.h"
#include "share/share.h"
#include "share/userns.h"

#define FOREIGN_TIMEOUT 10 /* seconds, for all namespaces of others together */
#define ROUNDS		16 /* of unmounting: what lies below others appears when these are gone */
#define NAMESPACES_MAX	4096
#define USERS_MAX	8
#define STATUS_MAX	65536 /* bytes of /proc/PID/status */
#define FILES_MAX	4096  /* looked at in one process */

static bool is_loop(const struct remains *remains, unsigned int major, unsigned int minor)
{
	for (size_t i = 0; major == LOOP_MAJOR && i < remains->loop_count; i++)
		if (remains->loops[i] == minor)
			return true;
	return false;
}

static bool matches(const struct remains *remains, const struct mount_entry *entry)
{
	return is_loop(remains, entry->major, entry->minor) ||
	       (remains->below && text_starts(entry->point, remains->below));
}

static bool any_matches(const struct remains *remains, const struct mount_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (matches(remains, &list->items[i]))
			return true;
	return false;
}

static int open_path(const void *data, int *ret_fd, struct error *err)
{
	*ret_fd = open(data, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret_fd < 0)
		return error_errno(err, EX_IOERR, "%s", (const char *)data);
	return 0;
}

/* @owner: the user, read before any namespace of somebody else's is entered; NULL: unknown. */
struct unmounting {
	const struct remains *remains;
	const struct identity *owner;
	struct pids children; /* one in each namespace */
};

static void unmounting_done(struct unmounting *unmounting)
{
	pids_done(&unmounting->children);
}

/*
 * Below root's own directory as root. Elsewhere as the user, in whose directories a file system may
 * show root nothing (FUSE) or not answer at all; then as root, for another's namespace may have it
 * where that user cannot go.
 */
static int open_point(const struct unmounting *unmounting, const char *point)
{
	static const struct identity root = {0};
	const struct remains *remains = unmounting->remains;
	_cleanup_error_ struct error ignored = ERROR_INIT;
	int fd = -1;

	if (remains->below && text_starts(point, remains->below))
		return open_path(point, &fd, &ignored) < 0 ? -1 : fd;
	if (unmounting->owner &&
	    identity_open(unmounting->owner, open_path, point, &fd, &ignored) == 0)
		return fd;
	if (ignored.code == EX_TEMPFAIL ||
	    identity_open(&root, open_path, point, &fd, &ignored) < 0)
		return -1;
	return fd;
}

/* By the working directory, for a name could lead elsewhere by now and /proc may not be there. */
static int unmount_one(const struct unmounting *unmounting, const struct mount_entry *entry)
{
	_cleanup_close_ int fd = open_point(unmounting, entry->point);
	int result;

	if (fd < 0 || mount_id(fd) != entry->id || fchdir(fd) < 0)
		return -1;
	result = umount2(".", MNT_DETACH);
	if (chdir("/") < 0)
		abort();
	return result;
}

/* Last mounted, first unmounted. Returns how many went. */
static size_t unmount_round(const struct unmounting *unmounting, const struct mount_list *list)
{
	size_t done = 0;

	for (size_t i = list->count; i-- > 0;)
		if (matches(unmounting->remains, &list->items[i]) &&
		    unmount_one(unmounting, &list->items[i]) == 0)
			done++;
	return done;
}

static int unmount_here(const struct unmounting *unmounting, struct error *err)
{
	for (int i = 0; i < ROUNDS; i++) {
		_cleanup_mounts_ struct mount_list list = {0};

		if (mount_list_load("/proc/self/mountinfo", &list, err) < 0)
			return -1;
		if (!unmount_round(unmounting, &list))
			return 0;
	}
	return 0;
}

/* The namespaces that were seen already. */
struct visited {
	ino_t items[NAMESPACES_MAX];
	size_t count;
};

static bool is_new(struct visited *visited, ino_t inode)
{
	for (size_t i = 0; i < visited->count; i++)
		if (visited->items[i] == inode)
			return false;
	if (visited->count == NAMESPACES_MAX)
		return false;
	visited->items[visited->count++] = inode;
	return true;
}

static DIR *open_proc(void)
{
	return opendir("/proc");
}

/* The next process of /proc; 0 at the end. */
static pid_t next_process(DIR *proc)
{
	const struct dirent *entry;
	uint64_t number;

	while ((entry = readdir(proc)))
		if (parse_number(entry->d_name, 1, INT32_MAX, &number) == 0)
			return (pid_t)number;
	return 0;
}

/* Calls @found for one process of every other mount namespace that has a mount of these. */
static void visit(const struct remains *remains,
		  void (*found)(const struct remains *remains, pid_t pid, int namespace,
				const struct mount_list *list, void *data),
		  void *data)
{
	_cleanup_closedir_ DIR *proc = open_proc();
	_cleanup_free_ struct visited *visited = xcalloc(1, sizeof(*visited));
	struct stat own;
	pid_t pid;

	if (!proc || stat("/proc/self/ns/mnt", &own) < 0 || !is_new(visited, own.st_ino))
		return;
	while ((pid = next_process(proc))) {
		_cleanup_free_ char *path = text_format("/proc/%d/ns/mnt", (int)pid);
		_cleanup_free_ char *info = text_format("/proc/%d/mountinfo", (int)pid);
		_cleanup_error_ struct error ignored = ERROR_INIT;
		_cleanup_mounts_ struct mount_list list = {0};
		_cleanup_close_ int namespace = -1;
		struct stat status;

		if (stat(path, &status) < 0 || !is_new(visited, status.st_ino) ||
		    mount_list_load(info, &list, &ignored) < 0 || !any_matches(remains, &list))
			continue;
		namespace = open(path, O_RDONLY | O_CLOEXEC);
		if (namespace >= 0)
			found(remains, pid, namespace, &list, data);
	}
}

/*
 * A child in a namespace of somebody else's, who decides what lies there: all are started before
 * any is waited for. What cannot be unmounted (locked by its owner) stays.
 */
static void unmount_visited(const struct remains *remains, pid_t pid, int namespace,
			    const struct mount_list *list, void *data)
{
	struct unmounting *unmounting = data;
	pid_t child = fork();

	(void)remains;
	(void)pid;
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		process_let_go(&namespace);
		if (setns(namespace, CLONE_NEWNS) == 0)
			(void)unmount_round(unmounting, list);
		_exit(0);
	}
	if (child > 0)
		pids_add(&unmounting->children, child);
}

/* One that a file system does not answer is left: the kernel may not even let it be killed. */
static void reap(const struct pids *children)
{
	_cleanup_close_ int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	const struct itimerspec limit = {.it_value.tv_sec = FOREIGN_TIMEOUT};

	if (timer >= 0)
		(void)timerfd_settime(timer, 0, &limit, NULL);
	for (size_t i = 0; i < children->count; i++) {
		_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, children->items[i], 0);
		struct pollfd wait[] = {{.fd = fd, .events = POLLIN},
					{.fd = timer, .events = POLLIN}};

		if (poll(wait, ARRAY_SIZE(wait), FOREIGN_TIMEOUT * 1000) > 0 && wait[0].revents)
			waitpid(children->items[i], NULL, 0);
		else
			kill(children->items[i], SIGKILL);
	}
}

int everywhere_unmount(const struct remains *remains, struct error *err)
{
	_cleanup_(unmounting_done) struct unmounting unmounting = {.remains = remains};
	struct identity owner;

	if (remains->owner != (uid_t)-1) {
		if (identity_find(remains->owner, &owner, err) < 0)
			return -1;
		unmounting.owner = &owner;
	}
	if (unmount_here(&unmounting, err) < 0)
		return -1;
	visit(remains, unmount_visited, &unmounting);
	reap(&unmounting.children);
	return 0;
}

/* The real user of a process: virtiofsd is one that nobody else can be (share/userns.h). */
static bool is_nobody(pid_t pid)
{
	_cleanup_free_ char *path = text_format("/proc/%d/status", (int)pid);
	_cleanup_free_ char *wanted = text_format("\nUid:\t%u\t", USERNS_UNUSED + SHARE_GUEST_ID);
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_free_ char *status = NULL;

	return file_read(AT_FDCWD, path, STATUS_MAX, &status, NULL, &ignored) == 0 &&
	       strstr(status, wanted);
}

static bool is_server(pid_t pid, const void *data)
{
	_cleanup_free_ char *info = text_format("/proc/%d/mountinfo", (int)pid);
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_mounts_ struct mount_list list = {0};

	return is_nobody(pid) && mount_list_load(info, &list, &ignored) == 0 &&
	       any_matches(data, &list);
}

int everywhere_end_servers(const struct remains *remains, struct error *err)
{
	_cleanup_pids_ struct pids pids = {0};

	if (!remains->loop_count)
		return 0;
	if (proc_find(is_server, remains, &pids, err) < 0)
		return -1;
	pids_end(&pids);
	return 0;
}

/* What a process is called; it chooses that itself, so printers escape it. */
static char *process_name(pid_t pid)
{
	_cleanup_free_ char *path = text_format("/proc/%d/comm", (int)pid);
	_cleanup_error_ struct error ignored = ERROR_INIT;
	char *name = NULL;

	if (file_read(AT_FDCWD, path, 256, &name, NULL, &ignored) < 0)
		return text_dup("gone");
	name[strcspn(name, "\n")] = '\0';
	return name;
}

static void note_mounted(const struct remains *remains, pid_t pid, int namespace,
			 const struct mount_list *list, void *data)
{
	_cleanup_free_ char *name = process_name(pid);

	(void)remains;
	(void)namespace;
	(void)list;
	lines_addf(data, "process %d (%s) has it mounted", (int)pid, name);
}

/* Whether what @path names lies on one of the devices; no server is asked for it. */
static bool is_on(const struct remains *remains, int dirfd, const char *path)
{
	struct statx status;

	return statx(dirfd, path, AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_TYPE, &status) == 0 &&
	       is_loop(remains, status.stx_dev_major, status.stx_dev_minor);
}

static bool has_open(const struct remains *remains, pid_t pid)
{
	_cleanup_free_ char *path = text_format("/proc/%d", (int)pid);
	_cleanup_close_ int process = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	int files;

	if (process < 0)
		return false;
	if (is_on(remains, process, "cwd") || is_on(remains, process, "root"))
		return true;
	files = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = files < 0 ? NULL : fdopendir(files);
	for (int i = 0; dir && i < FILES_MAX && (entry = readdir(dir)); i++)
		if (entry->d_name[0] != '.' && is_on(remains, files, entry->d_name))
			return true;
	return false;
}

void everywhere_users(const struct remains *remains, struct lines *lines)
{
	_cleanup_closedir_ DIR *proc = open_proc();
	pid_t pid;

	visit(remains, note_mounted, lines);
	while (proc && lines->count < USERS_MAX && (pid = next_process(proc))) {
		_cleanup_free_ char *name = NULL;

		if (pid == getpid() || !has_open(remains, pid))
			continue;
		name = process_name(pid);
		lines_addf(lines, "process %d (%s) works in it", (int)pid, name);
	}
}

static void note_found(const struct remains *remains, pid_t pid, int namespace,
		       const struct mount_list *list, void *data)
{
	(void)remains;
	(void)pid;
	(void)namespace;
	(void)list;
	*(bool *)data = true;
}

bool everywhere_is_mounted(const struct remains *remains)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_mounts_ struct mount_list list = {0};
	bool found = mount_list_load("/proc/self/mountinfo", &list, &ignored) == 0 &&
		     any_matches(remains, &list);

	if (!found)
		visit(remains, note_found, &found);
	return found;
}
