/*
 * The keeper: one process for each running sandbox, the owner's, without any right of root's. It
 * relays what the policy grants at the gateway's address to services of the host, and `ports` of
 * the host to the guest, and it writes the network log. No isolation depends on it.
 *
 * The hook starts and ends it. What it works with lies in RUN_DIR/NAME, for root alone: keeper.json
 * (its orders) and keeper.pid (which process it is).
 */
#ifndef HOOK_KEEPER_H
#define HOOK_KEEPER_H

#include "base/error.h"
#include "hook/protocol.h"

/* How the keeper is called: argv[0] and the one option that migrant-hook takes then. */
#define KEEPER_ARGV0  "migrant-keeper"
#define KEEPER_OPTION "--keeper"

/*
 * Starts the keeper for a gateway that stands, and waits until all that it needs is open. @control:
 * where the host reaches the guest. On failure no keeper of ours runs: EX_UNAVAILABLE with a hint
 * when a port is taken, EX_NOPERM when it is not the owner's to take, else EX_OSERR and the like.
 */
MUST_CHECK int keeper_start(const struct metadata *metadata, const struct address *control,
			    struct error *err);

/*
 * Gives a running keeper's work to a new one with other orders; nothing is done when they are the
 * same and it runs. The new one takes the sockets over that both need, and only when it has all of
 * them is the old one ended, which cuts what was being relayed. On failure the old one goes on.
 */
MUST_CHECK int keeper_restart(const struct metadata *metadata, const struct address *control,
			      struct error *err);

/* Starts it again, with the orders it had, when it does not run. */
MUST_CHECK int keeper_repair(const char *name, struct error *err);

/* Whether it runs; true also when this sandbox, made by an older hook, never had one. */
bool keeper_is_running(const char *name);

/* Ends every keeper of the sandbox, also one that nobody remembers, and waits for that. */
MUST_CHECK int keeper_end(const char *name, struct error *err);

/* The keeper itself: returns only when it cannot begin, or cannot go on. */
int keeper_main(const char *name, struct error *err);

/*
 * A listening TCP socket at an address of the current namespace. EX_UNAVAILABLE when it is taken or
 * the address is not the host's, EX_NOPERM for a port that is root's, with errno in *err. @anyway:
 * also at an address that is not there yet.
 */
MUST_CHECK int keeper_listen(const struct address *address, uint16_t port, bool anyway, int *ret_fd,
			     struct error *err);

#endif
