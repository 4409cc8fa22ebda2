/*
 * One fork of a sandbox, from nothing to a guest of its own.
 */
#ifndef COMMAND_FORK_H
#define COMMAND_FORK_H

#include "command/up.h"

struct fork {
	struct up up; /* does not move in memory once it has begun */
	bool made;    /* by this run: until it is complete, it may be taken away again */
	bool complete;
};

/* Looks whether there can be one called @name. Changes nothing but what a cut-off fork has left. */
MUST_CHECK int fork_begin(struct fork *fork, const struct invocation *invocation, const char *name,
			  struct error *err);

/*
 * Makes its domain and its disk, over @layers of @origin (disks_share()), and lets the guest run.
 */
MUST_CHECK int fork_start(struct fork *fork, const struct project *origin, char *const *layers,
			  struct error *err);

/* Waits for it and makes it another one than its origin: name, machine-id, host key. */
MUST_CHECK int fork_finish(struct fork *fork, struct error *err);

/* Frees it; one that is not complete is taken away. */
void fork_end(struct fork *fork);

#endif
