/*
 * The memory of running guests, kept with snapshots: one volume each, which is root's.
 */
#ifndef COMMAND_MEMORIES_H
#define COMMAND_MEMORIES_H

#include "box/pool.h"
#include "command/project.h"

/*
 * Fills memory and machine of a snapshot that is to be made of a guest that runs (or is paused),
 * with the new volume @overlay as its next disk. EXIT_STATE when it does not run, EX_IOERR when the
 * pool has no room for the memory.
 */
MUST_CHECK int memory_plan(const struct project *project, virStoragePoolPtr pool,
			   const char *overlay, struct snapshot *snapshot, struct error *err);

/*
 * Starts the halted sandbox, without running it, from the memory of @snapshot, to whose disk it was
 * put back. Fails with the reason, and is halted, when it cannot go on from that.
 */
MUST_CHECK int memory_restore(const struct project *project, const struct snapshot *snapshot,
			      struct error *err);

/* Deletes those of the sandbox that no snapshot names. */
MUST_CHECK int memories_sweep(const struct project *project, virStoragePoolPtr pool,
			      struct error *err);

#endif
