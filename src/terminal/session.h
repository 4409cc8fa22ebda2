/*
 * A child that shows a guest on the user's terminal: what it prints is filtered on its way.
 *
 * With a terminal of its own (a pseudo-terminal) the child sees size, modes and signals as if it
 * had the user's; that is for what is interactive. Else the child keeps the user's streams, and
 * only those that lead to a terminal pass the filter: files and pipes get every byte.
 */
#ifndef TERMINAL_SESSION_H
#define TERMINAL_SESSION_H

#include <poll.h>

#include "base/process.h"
#include "terminal/filter.h"

#define SESSION_OUTPUTS 2
#define SESSION_FDS	(2 * SESSION_OUTPUTS + 2)

struct session_output {
	int from, to; /* -1: none, or ended */
	bool is_filtered;
	struct filter filter;
	struct strbuf text; /* what the terminal has not taken yet … */
	size_t sent;	    /* … begins here */
};

struct session {
	bool has_terminal; /* the child has one of its own, which we lead */
	int leader;	   /* -1: none, or hung up */
	int child[3];	   /* the child's ends, until session_started() */
	struct session_output outputs[SESSION_OUTPUTS];
	char typed[4096]; /* what the child has not read yet … */
	size_t typed_begin, typed_end;
};

#define SESSION_INIT                                                                           \
	{                                                                                      \
		.leader = -1, .child = {-1, -1, -1}, .outputs = { {.from = -1}, {.from = -1} } \
	}
#define _cleanup_session_ _cleanup_(session_done)
/* Gives the terminal back as it was, with what the guest has switched on undone. */
void session_done(struct session *session);

/*
 * Gives @process its streams. @own_terminal: one of its own, if the user is at one. @is_raw:
 * nothing is filtered. EX_OSERR.
 */
MUST_CHECK int session_open(struct session *session, bool own_terminal, bool is_raw,
			    struct process *process, struct error *err);

/* The child has its ends. */
void session_started(struct session *session);

/* What to wait for; entries without use have the descriptor -1. */
void session_poll(const struct session *session, struct pollfd fds[SESSION_FDS]);

/* Does what can be done without waiting. -1: the user's terminal is gone. */
MUST_CHECK int session_turn(struct session *session, const struct pollfd fds[SESSION_FDS],
			    struct error *err);

/* The child has ended: shows what is left. */
void session_finish(struct session *session);

#endif
