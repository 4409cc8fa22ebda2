/*
 * virtiofsd prints a line about every request that makes no sense, libvirt appends it to a file of
 * root's, and a guest can send such requests for as long as it likes.
 */
#include "share/muffle.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/text.h"

static const char end[] = "…\n(what virtiofsd printed after this was dropped)\n";

/*
 * Reads, writes and ends: no other call is possible in this mode of seccomp(2). Its memory is all
 * it has.
 */
static _Noreturn void pass_on(int from, size_t max)
{
	static char buffer[4096];
	ssize_t got;

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
		syscall(SYS_exit, 1);
	while ((got = read(from, buffer, sizeof(buffer))) > 0) {
		size_t length = (size_t)got < max ? (size_t)got : max;

		if (!max)
			continue;
		max -= length;
		if (file_write_fd(STDERR_FILENO, buffer, length) < 0)
			max = 0;
		else if (!max)
			(void)!file_write_fd(STDERR_FILENO, end, sizeof(end) - 1);
	}
	for (;;)
		syscall(SYS_exit, 0);
}

/* Everything but the pipe and where it leads is let go first: QEMU's socket above all. */
static _Noreturn void become_reader(int from, size_t max)
{
	pid_t child = fork();

	if (child != 0)
		_exit(child < 0);
	prctl(PR_SET_NAME, "migrant-muffle");
	if (dup2(from, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
	    syscall(SYS_close_range, 3U, ~0U, 0U) < 0)
		_exit(1);
	pass_on(STDIN_FILENO, max);
}

int muffle(size_t max, struct error *err)
{
	_cleanup_close_ int from = -1, to = -1;
	int pipes[2];
	int status = -1;
	pid_t child;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return error_errno(err, EX_OSERR, "cannot make a pipe");
	from = pipes[0];
	to = pipes[1];
	child = fork();
	if (child == 0)
		become_reader(from, max);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0)
		return error_set(err, EX_OSERR, "cannot start what limits virtiofsd's messages");
	if (dup2(to, STDOUT_FILENO) < 0 || dup2(to, STDERR_FILENO) < 0)
		return error_errno(err, EX_OSERR, "cannot redirect virtiofsd's messages");
	return 0;
}
