/*
 * The handler only writes a byte into a pipe and remembers the number: everything else happens
 * where the program waits, in ordinary code.
 */
#include "base/interrupt.h"

#include <fcntl.h>
#include <string.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
static int pipe_fds[2] = {-1, -1};
static volatile sig_atomic_t caught;
static bool held_off;

struct interrupt interrupt_hold(void)
{
	struct interrupt interrupt = {.held = true};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, &interrupt.saved);
	return interrupt;
}

void interrupt_release(struct interrupt *interrupt)
{
	if (interrupt->held)
		sigprocmask(SIG_SETMASK, &interrupt->saved, NULL);
	interrupt->held = false;
}

static void on_signal(int number)
{
	int saved = errno;

	if (!caught)
		caught = number;
	if (write(pipe_fds[1], "", 1) < 0) { /* full: readable already */
	}
	errno = saved;
}

void interrupt_catch(void)
{
	/* Without SA_RESTART: a wait for a lock returns and looks. */
	struct sigaction action = {.sa_handler = on_signal};

	if (pipe_fds[0] >= 0)
		return;
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		abort();
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, NULL);
}

int interrupt_fd(void)
{
	return held_off ? -1 : pipe_fds[0];
}

/* The signal that came, also one that waits behind a hold. */
static int first_signal(void)
{
	sigset_t pending;

	if (caught)
		return caught;
	sigemptyset(&pending);
	sigpending(&pending);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (sigismember(&pending, signals[i]) == 1)
			return signals[i];
	return 0;
}

int interrupt_pending(void)
{
	return held_off ? 0 : first_signal();
}

int interrupt_error(struct error *err)
{
	int number = first_signal();

	return error_set(err, 128 + (number ? number : SIGINT), "interrupted");
}

void interrupt_hold_off(void)
{
	held_off = true;
}
