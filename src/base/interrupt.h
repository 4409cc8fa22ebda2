/*
 * Ctrl-C and its kin without losing what must be undone: ordinary code sees that a signal came,
 * undoes itself and returns an error.
 *
 * A command that makes things on the host (`up`) catches the signals for good: every wait of ours
 * then ends early. Shorter work that is undone by its own code (an upload) holds them back
 * meanwhile; they are delivered when the hold ends. Other commands leave the default: they die at
 * once.
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

/* From now on SIGINT, SIGTERM and SIGHUP are remembered. May be called again. */
void interrupt_catch(void);

/* A descriptor that is readable once a signal was caught; -1 while none can be or waits go on. */
int interrupt_fd(void);

/* The signal that was caught or waits behind a hold, or 0; 0 while waits go on whatever comes. */
int interrupt_pending(void);

/* Sets *err to "interrupted" with the exit status 128+signal, as a shell reports it. Returns -1. */
int interrupt_error(struct error *err);

/* Undoing has begun: what it waits for is waited for, whatever comes. */
void interrupt_hold_off(void);

#endif
