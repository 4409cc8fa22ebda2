/*
 * A namespace is made by a child that waits in it, because one has to be outside to write its maps.
 * The child ends at once; the descriptor keeps the namespace.
 */
#include "share/userns.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "share/share.h"

static _Noreturn void wait_inside(int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWUSER) < 0)
		_exit(errno);
	if (write(ready, "", 1) != 1)
		_exit(EIO);
	for (;;)
		pause();
}

/* uid_map (user_namespaces(7)): inside, outside, count. */
static void format_map(unsigned int guest, struct strbuf *text)
{
	const unsigned int after = SHARE_GUEST_ID + 1;

	strbuf_addf(text, "0 %u %u\n", USERNS_UNUSED, SHARE_GUEST_ID);
	strbuf_addf(text, "%u %u 1\n", SHARE_GUEST_ID, guest);
	strbuf_addf(text, "%u %u %u\n", after, USERNS_UNUSED + after, USERNS_COUNT - after);
}

static int write_map(pid_t pid, const char *file, unsigned int guest, struct error *err)
{
	_cleanup_free_ char *path = text_format("/proc/%d/%s", (int)pid, file);
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	format_map(guest, &text);
	if (fd < 0 || file_write_fd(fd, text.text, text.length) < 0)
		return error_errno(err, EX_OSERR, "cannot write a user namespace's %s", file);
	return 0;
}

static int map_and_open(pid_t pid, uid_t uid, gid_t gid, int *ret_fd, struct error *err)
{
	_cleanup_free_ char *path = text_format("/proc/%d/ns/user", (int)pid);

	if (write_map(pid, "uid_map", uid, err) < 0 || write_map(pid, "gid_map", gid, err) < 0)
		return -1;
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*ret_fd < 0)
		return error_errno(err, EX_OSERR, "cannot open a user namespace");
	return 0;
}

/* How the child ended that should have waited: its exit status is an errno. */
static int refused(int status, struct error *err)
{
	errno = WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EIO;
	error_errno(err, EX_UNAVAILABLE, "the kernel gives no user namespace, which shares need");
	return error_hint(err, "see `sysctl user.max_user_namespaces`");
}

int userns_make(uid_t uid, gid_t gid, int *ret_fd, struct error *err)
{
	_cleanup_close_ int near = -1, far = -1;
	char byte;
	int pipes[2];
	int status = 0;
	int result = -1;
	bool inside;
	pid_t child;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return error_errno(err, EX_OSERR, "cannot make a pipe");
	near = pipes[0];
	far = pipes[1];
	child = fork();
	if (child == 0)
		wait_inside(far);
	if (child < 0)
		return error_errno(err, EX_OSERR, "cannot start a process");
	cleanup_close(&far);
	inside = read(near, &byte, 1) == 1;
	if (inside)
		result = map_and_open(child, uid, gid, ret_fd, err);
	kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return inside ? result : refused(status, err);
}
