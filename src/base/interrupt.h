/*
 * Ctrl-C without losing what must be undone: while a struct interrupt is held, SIGINT, SIGTERM and
 * SIGHUP wait, the work looks from time to time whether one came, undoes itself and returns an
 * error; the signal is delivered when the hold ends.
 */
#ifndef BASE_INTERRUPT_H
#define BASE_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

#include "base/error.h"

struct interrupt {
	sigset_t saved;
	bool held;
};

#define _cleanup_interrupt_ _cleanup_(interrupt_release)

struct interrupt interrupt_hold(void);
/* Signals that came meanwhile are delivered here: by default they end the process. */
void interrupt_release(struct interrupt *interrupt);

/* True when a held signal waits to be delivered. */
bool interrupt_pending(void);

/* EX_TEMPFAIL "interrupted". Returns -1. */
int interrupt_error(struct error *err);

#endif
