/*
 * Both root programs are started by others: the hook by libvirtd, the helper by any user. Whatever
 * these can hand down is put back to what the code below expects, before anything is read.
 */
#include "hook/reset.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/process.h"

#define FAILED 71 /* EX_OSERR; there is no stderr to speak to yet */

static void reset_environment(void)
{
	if (clearenv() || setenv("PATH", PROCESS_PATH, 1) || setenv("LC_ALL", "C", 1))
		_exit(FAILED);
}

/* The three streams exist, so that no file of ours is ever opened in their place. */
static void reset_descriptors(void)
{
	if (syscall(SYS_close_range, 3U, ~0U, 0U) < 0)
		_exit(FAILED);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			_exit(FAILED);
}

static void reset_signals(void)
{
	static const int ignored[] = {SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU};
	struct sigaction action = {.sa_handler = SIG_DFL};
	const struct itimerval none = {0};
	sigset_t empty;

	for (int number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL); /* fails for SIGKILL and SIGSTOP, rightly */
	sigemptyset(&empty);
	if (sigprocmask(SIG_SETMASK, &empty, NULL) < 0 || setitimer(ITIMER_REAL, &none, NULL) < 0)
		_exit(FAILED);
	/*
	 * Neither a reader that goes away nor a terminal, which signals set-uid programs as well,
	 * may stop a teardown half-way, or for good with the lock that everybody waits for.
	 */
	action.sa_handler = SIG_IGN;
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		sigaction(ignored[i], &action, NULL);
}

static void reset_limits(void)
{
	static const struct {
		int resource;
		rlim_t limit;
	} limits[] = {
		{RLIMIT_CORE, 0},
		{RLIMIT_CPU, RLIM_INFINITY},
		{RLIMIT_FSIZE, RLIM_INFINITY},
		{RLIMIT_DATA, RLIM_INFINITY},
		{RLIMIT_STACK, 8 << 20},
		{RLIMIT_AS, RLIM_INFINITY},
		{RLIMIT_NOFILE, 4096}, /* of which the keeper makes use */
		{RLIMIT_MEMLOCK, 8 << 20},
	};

	/* Without the right to raise one (a container), the lower limit stays: ours are not needed.
	 */
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		const struct rlimit limit = {limits[i].limit, limits[i].limit};

		(void)setrlimit((__rlimit_resource_t)limits[i].resource, &limit);
	}
}

void reset_process(void)
{
	reset_environment();
	reset_descriptors();
	reset_signals();
	reset_limits();
	prctl(PR_SET_DUMPABLE, 0);
	umask(022);
	if (chdir("/") < 0)
		_exit(FAILED);
}
