/*
 * The end of a sandbox's time: one process for each running sandbox that has a `ttl`, the owner's,
 * which sleeps and then runs `migrant halt`. The hook starts and ends it; it is independent of the
 * keeper, so neither a keeper that is restarted nor another policy gives a sandbox more time.
 */
#ifndef HOOK_TTL_H
#define HOOK_TTL_H

#include <stdbool.h>

#include "base/error.h"
#include "hook/protocol.h"

#define TTL_OPTION "--ttl"

/* Starts it; nothing is done without a ttl. EX_UNAVAILABLE for an owner not in /etc/passwd. */
MUST_CHECK int ttl_start(const struct metadata *metadata, struct error *err);

/* Whether it waits. */
bool ttl_is_running(const char *name);

/* Ends all that wait for the sandbox's time. EX_OSERR. */
MUST_CHECK int ttl_end(const char *name, struct error *err);

/* The process itself: sleeps @seconds, then halts the sandbox. Returns 0 when that has succeeded.
 */
int ttl_main(const char *name, const char *seconds, struct error *err);

#endif
