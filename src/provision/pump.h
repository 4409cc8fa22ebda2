/*
 * The streams of a command in a guest, moved while it runs; private to the room. What arrives is a
 * guest's and is judged by whoever takes it.
 */
#ifndef PROVISION_PUMP_H
#define PROVISION_PUMP_H

#include <poll.h>

#include "base/process.h"
#include "provision/ssh.h"

#define PUMP_FDS 3

struct pump {
	const struct ssh_streams *streams;
	int input, output, errors; /* our ends, -1: none, or closed */
	int child[PUMP_FDS];	   /* the child's, until pump_started() */
	char *buffer;		   /* what the command has not taken yet … */
	size_t begin, end;	   /* … lies between these */
};

#define PUMP_INIT                                                                \
	{                                                                        \
		.input = -1, .output = -1, .errors = -1, .child = { -1, -1, -1 } \
	}
#define _cleanup_pump_ _cleanup_(pump_done)
void pump_done(struct pump *pump);

/* Makes the pipes and gives @process its ends. */
MUST_CHECK int pump_open(struct pump *pump, const struct ssh_streams *streams,
			 struct process *process, struct error *err);

/* The child has its ends. */
void pump_started(struct pump *pump);

/* What to wait for; entries without use have the descriptor -1. */
void pump_poll(const struct pump *pump, struct pollfd fds[PUMP_FDS]);

/* Does what can be done without waiting. -1: a stream's owner refused, or reading failed. */
MUST_CHECK int pump_turn(struct pump *pump, struct error *err);

/* The child has ended: takes what is left. */
MUST_CHECK int pump_finish(struct pump *pump, struct error *err);

#endif
