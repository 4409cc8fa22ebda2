/*
 * One fork of a sandbox, from nothing to a guest of its own.
 */
#ifndef COMMAND_FORK_H
#define COMMAND_FORK_H

#include "command/up.h"

enum fork_state {
	FORK_WAITS, /* for its turn: made, once forks_make() is through */
	FORK_BOOTS,
	FORK_ANSWERS,
	FORK_IS_UP,
	FORK_FAILED,
};

struct fork {
	struct up up; /* does not move in memory once it has begun */
	enum fork_state state;
	int64_t deadline; /* of its boot, see clock_ms() */
	bool made;	  /* by this run: until it is up, it may be taken away again */
};

/* Those of one call. */
struct forks {
	struct fork *items;
	size_t count;
	struct error first; /* that one of them had which failed */
};

/*
 * Locks the name and looks whether there can be one. Changes nothing but what a cut-off fork has
 * left. EX_TEMPFAIL when another migrant works on a sandbox of that name.
 * All forks have the origin's connection: of two, the daemon closes the one that is not looked
 * after while something takes its time on the other.
 */
MUST_CHECK int fork_begin(struct fork *fork, const struct project *origin,
			  const struct invocation *invocation, const char *name, struct error *err);

/* EX_DATAERR when its tunnel has the key of @other (or NULL: none), which is that of @whose. */
MUST_CHECK int fork_check_key(const struct fork *fork, const struct wireguard *other,
			      const char *whose, struct error *err);

/* Makes its domain and its disk, over @layers of @origin (disks_share()). */
MUST_CHECK int fork_make(struct fork *fork, const struct project *origin, char *const *layers,
			 struct error *err);

/* Lets its guest run. The origin is not needed any more. */
MUST_CHECK int fork_start(struct fork *fork, struct error *err);

/* Makes of the guest that has answered another one than its origin: name, machine-id, host key. */
MUST_CHECK int fork_finish(struct fork *fork, struct error *err);

/* Frees it; one that is made but not up is taken away. */
void fork_end(struct fork *fork);

/*
 * Makes all of them; starts them and waits until each is up, as many at a time as the host can boot
 * (fork_together.c). When some fail the others go on, and the error of forks_bring_up() is the
 * first one's and names those that did not come up; when the user interrupts, all that is not up
 * yet is left to fork_end().
 */
MUST_CHECK int forks_make(struct forks *forks, const struct project *origin, char *const *layers,
			  struct error *err);
MUST_CHECK int forks_bring_up(struct forks *forks, struct error *err);

#endif
