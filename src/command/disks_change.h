/* What the changes of a sandbox's disks have in common (command/disks.h). */
#ifndef COMMAND_DISKS_CHANGE_H
#define COMMAND_DISKS_CHANGE_H

#include "command/disks.h"

/*
 * What every change begins with: the pool, what is in it, nothing that is left from before, and
 * the domain's state as it is now: what was true when the command began may be no more. EXIT_STATE
 * as disks_require_made().
 */
MUST_CHECK int disks_begin(struct project *project, virStoragePoolPtr *ret_pool,
			   struct tree *ret_tree, struct error *err);

/* Puts what project->domain.definition says by now into the domain's definition. */
MUST_CHECK int disks_redefine(struct project *project, struct error *err);

/* Deletes what of the sandbox's disks and memory nothing needs, and forgets it in *tree. */
MUST_CHECK int disks_sweep(struct project *project, virStoragePoolPtr pool, struct tree *tree,
			   struct error *err);

/*
 * Deletes those of @layers, disks that other sandboxes than @uuid have frozen, that were kept for
 * this one alone: their sandbox has gone, and nothing lies over them. Needs LOCK_DISKS, and *tree
 * as it is under that.
 */
MUST_CHECK int disks_delete_foreign(virStoragePoolPtr pool, struct tree *tree, const char *uuid,
				    char *const *layers, struct error *err);

/* A new overlay over the disk @layer, under the sandbox's next name. The caller frees *ret_name. */
MUST_CHECK int disks_make_overlay(const struct project *project, virStoragePoolPtr pool,
				  const struct tree *tree, const char *layer, char **ret_name,
				  struct error *err);

/* Deletes an overlay that nothing names yet; if it cannot, the next command does. Returns -1. */
int disks_discard(virStoragePoolPtr pool, const char *overlay);

/* Whether a snapshot names the volume. */
bool disk_is_frozen(const struct snapshots *snapshots, const char *volume);

/*
 * Among what lies below the sandbox's disk, the first that is not its own: a place in its
 * definition's list, at whose end there is NULL.
 */
char *const *disks_find_foreign(const struct definition *definition);

/* Adds a copy to a list for free_list(), which has *count texts. */
void disks_list_add(char ***list, size_t *count, const char *text);

/* The snapshot of that name, the project's own; or NULL, and EX_NOINPUT. */
const struct snapshot *disks_require_snapshot(const struct project *project, const char *name,
					      struct error *err);

#endif
