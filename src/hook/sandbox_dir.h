/*
 * /run/migrant: what root knows of the running sandboxes, and the lock under which it is changed.
 */
#ifndef HOOK_SANDBOX_DIR_H
#define HOOK_SANDBOX_DIR_H

#include "hook/protocol.h"
#include "network/gateway.h"

/*
 * Takes the one lock of the root side, waiting for it; it is let go when the descriptor is closed.
 * Makes RUN_DIR first.
 */
MUST_CHECK int sandbox_lock(int *ret_fd, struct error *err);

/* RUN_DIR/NAME; the caller frees. */
char *sandbox_directory(const char *name);

/* What the network room needs to know of it, but for the keys of a tunnel; borrows from both. */
struct sandbox sandbox_of(const struct metadata *metadata, const char *directory);

MUST_CHECK int sandbox_directory_make(const char *name, struct error *err);
/* The record goes first, then the rest. Absent is fine. */
MUST_CHECK int sandbox_directory_remove(const char *name, struct error *err);

/* Removes half-written files of a hook that was killed; the caller holds the lock. */
void sandbox_directory_sweep(void);

MUST_CHECK int sandbox_record_store(const struct record *record, struct error *err);

/*
 * The policy that was last put into force as a whole, in its canonical form; for root alone.
 * Loading: EX_NOINPUT when none was, EX_DATAERR.
 */
#define POLICY_FILE "policy.txt"
MUST_CHECK int sandbox_policy_store(const char *name, const struct policy *policy,
				    struct error *err);
MUST_CHECK int sandbox_policy_load(const char *name, struct policy *ret_policy, struct error *err);

#endif
