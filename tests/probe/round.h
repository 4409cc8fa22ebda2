/*
 * One round of a probe: everything at once, then a wait for what comes back.
 */
#ifndef PROBE_ROUND_H
#define PROBE_ROUND_H

#include "target.h"

/* Tries all targets, frames on @interface, and waits at most @wait milliseconds for the answers. */
void round_run(struct target *targets, size_t count, const char *interface, unsigned int wait);

/* Milliseconds since the machine was started. */
uint64_t uptime(void);

#endif
