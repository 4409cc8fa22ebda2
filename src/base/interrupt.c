/*
 * Holding back the signals by which a person stops the program, so that half-made things are undone
 * by ordinary code and not by a signal handler.
 */
#include "base/interrupt.h"

static sigset_t stopping_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	return set;
}

struct interrupt interrupt_hold(void)
{
	sigset_t set = stopping_signals();
	struct interrupt interrupt = {.held = true};

	sigprocmask(SIG_BLOCK, &set, &interrupt.saved);
	return interrupt;
}

void interrupt_release(struct interrupt *interrupt)
{
	if (interrupt->held)
		sigprocmask(SIG_SETMASK, &interrupt->saved, NULL);
	interrupt->held = false;
}

bool interrupt_pending(void)
{
	sigset_t pending;

	sigemptyset(&pending);
	sigpending(&pending);
	return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
	       sigismember(&pending, SIGHUP) == 1;
}

int interrupt_error(struct error *err)
{
	return error_set(err, EX_TEMPFAIL, "interrupted");
}
