/*
 * Child processes. Between fork and exec only async-signal-safe calls are made, and everything that
 * could leak from us into a child (descriptors, signal masks, environment) is reset there.
 */
#include "base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/text.h"

#define IDLE_MS	    1000
#define ERRORS_TAIL 8192

extern char **environ;

char *process_find(const char *name)
{
	const char *at = PROCESS_PATH;

	if (strchr(name, '/'))
		return access(name, X_OK) == 0 ? text_dup(name) : NULL;
	while (*at) {
		size_t length = strcspn(at, ":");
		_cleanup_free_ char *path = text_format("%.*s/%s", (int)length, at, name);
		struct stat status;

		if (access(path, X_OK) == 0 && stat(path, &status) == 0 && S_ISREG(status.st_mode))
			return take_ptr(path);
		at += length + (at[length] == ':');
	}
	return NULL;
}

static bool has_name(const char *const *list, const char *entry)
{
	size_t length = strcspn(entry, "=") + 1;

	for (; list && *list; list++)
		if (strncmp(*list, entry, length) == 0)
			return true;
	return false;
}

/* The child's environment; strings are borrowed, the array is the caller's. */
static const char **environment(const struct process *process)
{
	static const char *const clean[] = {"PATH=" PROCESS_PATH, "LANG=C.UTF-8", NULL};
	static const char *const passed[] = {
		"HOME=", "USER=", "LOGNAME=", "TERM=", "TMPDIR=", NULL};
	const char **list = NULL;
	size_t count = 0;

	for (char **entry = environ; entry && *entry; entry++) {
		if (!process->keep_environment && !has_name(passed, *entry))
			continue;
		if (has_name(process->env, *entry))
			continue;
		list = xreallocarray(list, count + 2, sizeof(*list));
		list[count++] = *entry;
	}
	for (const char *const *entry = clean; *entry; entry++) {
		if (process->keep_environment || has_name(process->env, *entry))
			continue;
		list = xreallocarray(list, count + 2, sizeof(*list));
		list[count++] = *entry;
	}
	for (const char *const *entry = process->env; entry && *entry; entry++) {
		list = xreallocarray(list, count + 2, sizeof(*list));
		list[count++] = *entry;
	}
	list = xreallocarray(list, count + 1, sizeof(*list));
	list[count] = NULL;
	return list;
}

/* Puts @from (a descriptor or PROCESS_*) at @to in the child. */
static int place_stream(int from, int to)
{
	if (from == PROCESS_INHERIT)
		return 0;
	if (from == PROCESS_NULL)
		from = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (from < 0)
		return -1;
	if (from == to)
		return fcntl(to, F_SETFD, 0);
	return dup2(from, to) < 0 ? -1 : 0;
}

static void reset_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL); /* fails for SIGKILL and SIGSTOP, rightly */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A stream that sits where another is to be placed would be overwritten: lift it out of the way. */
static int lift(int fd)
{
	return fd >= 0 && fd <= STDERR_FILENO ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : fd;
}

/* @report gets the errno of a program that cannot be started; it is closed by the start. */
static _Noreturn void run_child(const struct process *process, const char *path, const char **env,
				pid_t parent, int report)
{
	int input = lift(process->input);
	int output = lift(process->output);
	int errors = lift(process->errors);

	reset_signals();
	prctl(PR_SET_PDEATHSIG, process->foreground ? SIGHUP : SIGKILL);
	if (getppid() != parent)
		_exit(127);
	if (process->own_terminal)
		setsid();
	else if (!process->foreground)
		setpgid(0, 0);
	if (place_stream(input, STDIN_FILENO) < 0 || place_stream(output, STDOUT_FILENO) < 0 ||
	    place_stream(errors, STDERR_FILENO) < 0)
		_exit(127);
	if (process->own_terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
		_exit(127);
	syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
	if (process->directory && chdir(process->directory) < 0)
		_exit(127);
	if (process->confine && process->confine() < 0)
		_exit(127);
	execve(path, (char *const *)(uintptr_t)process->argv, (char *const *)(uintptr_t)env);
	if (write(report, &errno, sizeof(errno)) < 0) { /* the status says so as well */
	}
	_exit(127);
}

/* Waits for the start. 0, or the errno with which it failed. */
static int read_report(int report)
{
	int number = 0;
	ssize_t got;

	do
		got = read(report, &number, sizeof(number));
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)sizeof(number) ? number : 0;
}

static int start_error(const char *path, int number, struct error *err)
{
	if (number == ENOEXEC)
		return error_set(
			err, EX_NOPERM,
			"cannot start %s: it is no program, and no script that begins with '#!'",
			path);
	if (number == ENOENT) /* the file itself is there */
		return error_set(err, EX_UNAVAILABLE,
				 "cannot start %s: the interpreter in its first line is not there",
				 path);
	errno = number;
	return error_errno(err, number == EACCES ? EX_NOPERM : EX_OSERR, "cannot start %s", path);
}

static int reap(struct process *process)
{
	int status = 0;

	while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(process->pidfd);
	process->pidfd = -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int process_start(struct process *process, struct error *err)
{
	_cleanup_free_ char *path = process_find(process->argv[0]);
	_cleanup_free_ const char **env = NULL;
	_cleanup_close_ int report = -1;
	pid_t parent = getpid();
	sigset_t all, saved;
	int pair[2];
	int failure;

	if (!path)
		return error_set(err, EX_UNAVAILABLE, "%s is not installed", process->argv[0]);
	env = environment(process);
	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_errno(err, EX_OSERR, "cannot make a pipe");
	report = pair[0];
	/* A signal must not run our handler in the child: it waits there for the default one. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &saved);
	process->pid = fork();
	if (process->pid == 0)
		run_child(process, path, env, parent, pair[1]);
	sigprocmask(SIG_SETMASK, &saved, NULL);
	close(pair[1]);
	if (process->pid < 0)
		return error_errno(err, EX_OSERR, "cannot start %s", process->argv[0]);
	process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
	if (process->pidfd < 0) {
		error_errno(err, EX_OSERR, "cannot watch %s", process->argv[0]);
		kill(process->pid, SIGKILL);
		waitpid(process->pid, NULL, 0);
		return -1;
	}
	failure = read_report(report);
	if (failure) {
		reap(process);
		return start_error(process->argv[0], failure, err);
	}
	return 0;
}

void (*process_idle)(void);

int process_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	bool in_slices = process_idle && (timeout_ms < 0 || timeout_ms > IDLE_MS);
	int ready = poll(fds, count, in_slices ? IDLE_MS : timeout_ms);

	if (ready == 0 && process_idle)
		process_idle();
	return ready;
}

enum wait_end { END_REACHED, END_TIMEOUT, END_INTERRUPTED };

/*
 * An interactive child has the terminal and gets Ctrl-C from it; a signal that was sent to us alone
 * is passed on. It is the child that decides, so waiting goes on.
 */
static bool pass_on_interrupt(const struct process *process)
{
	if (!process->foreground)
		return false;
	kill(process->pid, interrupt_pending());
	return true;
}

/* Waits until the child has ended, the deadline passed or somebody wants us to stop. */
static enum wait_end wait_end(const struct process *process, int64_t deadline)
{
	bool passed_on = false;

	for (;;) {
		struct pollfd fds[] = {{.fd = process->pidfd, .events = POLLIN},
				       {.fd = passed_on ? -1 : interrupt_fd(), .events = POLLIN}};
		int64_t left = deadline ? deadline - clock_ms() : -1;

		if (deadline && left <= 0)
			return END_TIMEOUT;
		if (process_poll(fds, ARRAY_SIZE(fds), (int)left) <= 0)
			continue;
		if (fds[0].revents)
			return END_REACHED;
		if (!pass_on_interrupt(process))
			return END_INTERRUPTED;
		passed_on = true;
	}
}

void process_kill(struct process *process)
{
	if (process->pidfd < 0)
		return;
	kill(process->foreground ? process->pid : -process->pid, SIGKILL);
	kill(process->pid, SIGKILL);
	reap(process);
}

static int gave_up(struct process *process, enum wait_end why, struct error *err)
{
	process_kill(process);
	if (why == END_INTERRUPTED)
		return interrupt_error(err);
	return error_set(err, EX_TEMPFAIL, "%s took longer than %u s", process->argv[0],
			 process->timeout);
}

int process_wait(struct process *process, int *ret_status, struct error *err)
{
	int64_t deadline = process->timeout ? clock_ms() + (int64_t)process->timeout * 1000 : 0;
	enum wait_end end = wait_end(process, deadline);

	if (end != END_REACHED)
		return gave_up(process, end, err);
	*ret_status = reap(process);
	return 0;
}

/* Turns an end other than success into an error that quotes the child's last words. */
static int check_status(const struct process *process, int status, const struct strbuf *errors,
			struct error *err)
{
	const char *text = strbuf_text(errors);
	size_t end = errors->length;
	size_t start;

	if (status == 0)
		return 0;
	while (end && (text[end - 1] == '\n' || text[end - 1] == '\r'))
		end--;
	for (start = end; start && text[start - 1] != '\n'; start--)
		;
	if (status > 128)
		return error_set(err, EX_SOFTWARE, "%s was ended by signal %d", process->argv[0],
				 status - 128);
	if (end > start)
		return error_set(err, EX_SOFTWARE, "%s failed: %.*s", process->argv[0],
				 (int)(end - start), text + start);
	return error_set(err, EX_SOFTWARE, "%s failed with status %d", process->argv[0], status);
}

/* Moves what there is on @fd into @buffer. Returns 0 at the end of the stream, else 1. */
static int drain(int fd, struct strbuf *buffer)
{
	char chunk[8192];
	ssize_t got = read(fd, chunk, sizeof(chunk));

	if (got < 0)
		return errno == EINTR || errno == EAGAIN;
	strbuf_add(buffer, chunk, (size_t)got);
	return got > 0;
}

static void keep_tail(struct strbuf *buffer)
{
	if (buffer->length <= 2 * ERRORS_TAIL)
		return;
	memmove(buffer->text, buffer->text + buffer->length - ERRORS_TAIL, ERRORS_TAIL);
	strbuf_truncate(buffer, ERRORS_TAIL);
}

/* Reads both pipes to their ends, or until more than @max bytes of output came. */
static enum wait_end collect(int output_fd, int errors_fd, int64_t deadline, size_t max,
			     struct strbuf *output, struct strbuf *errors)
{
	struct pollfd fds[] = {{.fd = output_fd, .events = POLLIN},
			       {.fd = errors_fd, .events = POLLIN},
			       {.fd = interrupt_fd(), .events = POLLIN}};

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		int64_t left = deadline ? deadline - clock_ms() : -1;

		if (deadline && left <= 0)
			return END_TIMEOUT;
		if (process_poll(fds, ARRAY_SIZE(fds), (int)left) < 0)
			continue;
		if (fds[2].fd >= 0 && fds[2].revents)
			return END_INTERRUPTED;
		if (fds[0].fd >= 0 && fds[0].revents && !drain(fds[0].fd, output))
			fds[0].fd = -1;
		if (fds[1].fd >= 0 && fds[1].revents && !drain(fds[1].fd, errors))
			fds[1].fd = -1;
		if (output && output->length > max)
			break;
		keep_tail(errors);
	}
	return END_REACHED;
}

static int run_collecting(struct process *process, size_t max, struct strbuf *output,
			  struct error *err)
{
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	_cleanup_close_ int output_read = -1, output_write = -1;
	_cleanup_close_ int errors_read = -1, errors_write = -1;
	int64_t deadline = process->timeout ? clock_ms() + (int64_t)process->timeout * 1000 : 0;
	enum wait_end end;
	int pipes[2];
	int result;

	if (output) {
		if (pipe2(pipes, O_CLOEXEC) < 0)
			return error_errno(err, EX_OSERR, "cannot make a pipe");
		output_read = pipes[0];
		process->output = output_write = pipes[1];
	}
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return error_errno(err, EX_OSERR, "cannot make a pipe");
	errors_read = pipes[0];
	process->errors = errors_write = pipes[1];

	result = process_start(process, err);
	cleanup_close(&output_write);
	cleanup_close(&errors_write);
	if (result < 0)
		return -1;
	end = collect(output_read, errors_read, deadline, max, output, &errors);
	if (end != END_REACHED)
		return gave_up(process, end, err);
	if (output && output->length > max) {
		process_kill(process);
		return error_set(err, EX_DATAERR, "%s printed more than %zu bytes",
				 process->argv[0], max);
	}
	end = wait_end(process, deadline);
	if (end != END_REACHED)
		return gave_up(process, end, err);
	return check_status(process, reap(process), &errors, err);
}

int process_run(struct process *process, struct error *err)
{
	return run_collecting(process, 0, NULL, err);
}

int process_capture(struct process *process, size_t max, struct strbuf *output, struct error *err)
{
	return run_collecting(process, max, output, err);
}

void process_let_go(int *fd)
{
	const int kept = STDERR_FILENO + 1;
	int null = open("/dev/null", O_RDWR);

	if (null < 0)
		_exit(1);
	for (int i = 0; i <= STDERR_FILENO; i++)
		if (dup2(null, i) < 0)
			_exit(1);
	if (*fd != kept && dup2(*fd, kept) < 0)
		_exit(1);
	*fd = kept;
	if (syscall(SYS_close_range, (unsigned int)kept + 1, ~0U, 0U) < 0)
		_exit(1);
}
