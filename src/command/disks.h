/*
 * The disks of a sandbox: the one that it writes to, and the frozen ones of its snapshots. All need
 * the project's lock, for each begins by taking away what an earlier one that was killed has left.
 */
#ifndef COMMAND_DISKS_H
#define COMMAND_DISKS_H

#include "box/tree.h"
#include "command/project.h"

/*
 * Saves the disk's present state under @name with the user's @text (or NULL): a running guest's as
 * it is, which is as after a power cut. Short, whatever the disk's size. @with_memory: its memory
 * as well, while it stands still and its shares are out of it.
 * EXIT_STATE when the state does not allow it, EX_CANTCREAT when the name is taken, EX_TEMPFAIL
 * when the guest does not let go of its shares.
 */
MUST_CHECK int disks_save(struct project *project, const char *name, const char *text,
			  bool with_memory, struct error *err);

/* What of that can be told without touching anything: the name is free, the state allows it. */
MUST_CHECK int disks_check_save(const struct project *project, const char *name, struct error *err);

/* Lets a running guest write out what it holds back; one that does not is told of. */
void disks_sync(const struct project *project);

/* Whether disks_rewind() could put the disk back to that snapshot. Changes nothing. */
MUST_CHECK int disks_check(const struct project *project, const char *name, struct error *err);

/*
 * Ends the guest if it runs, and puts the disk back to the snapshot @name: what was written since
 * is lost. The sandbox is halted then. EX_NOINPUT when there is no such snapshot, EX_DATAERR when
 * what it consists of is not there any more; in both cases nothing has changed.
 */
MUST_CHECK int disks_rewind(struct project *project, const char *name, struct error *err);

/* Forgets a snapshot, and deletes what only it needs. EX_NOINPUT. */
MUST_CHECK int disks_forget(struct project *project, const char *name, struct error *err);

/*
 * Deletes all disks of sandbox @uuid but those that other sandboxes need: *ret_kept is their
 * number. Then those of @layers, frozen disks of other sandboxes, that nobody needs any more.
 */
MUST_CHECK int disks_delete(virStoragePoolPtr pool, const char *uuid, char *const *layers,
			    unsigned int *ret_kept, struct error *err);

/*
 * Freezes the disk for others to lie over it, without a snapshot: *ret_layers are the paths of what
 * lies below a disk over it, NULL-terminated, topmost first. The caller frees with free_list().
 */
MUST_CHECK int disks_share(struct project *project, char ***ret_layers, struct error *err);

/* Whether the disk lies over one of another sandbox. */
bool disks_are_forked(const struct definition *definition);

/* EXIT_STATE unless the sandbox exists and has been up. */
MUST_CHECK int disks_require_made(const struct project *project, struct error *err);

/*
 * Disks that a destroyed sandbox has left, because forks needed them, and that nobody needs any
 * more: a command that was killed after its fork had joined its layers has not deleted them. Those
 * which lie over each other are all named. The caller frees with free_list().
 */
MUST_CHECK int disks_find_orphans(virStoragePoolPtr pool, char ***ret_names, struct error *err);

/* Deletes those of @names that are orphans still. Needs LOCK_DISKS. */
MUST_CHECK int disks_delete_orphans(virStoragePoolPtr pool, char *const *names, struct error *err);

#endif
