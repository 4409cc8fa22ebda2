/*
 * Which disk of the pool lies over which: what a snapshot or a fork needs, whoever has frozen it.
 */
#ifndef BOX_TREE_H
#define BOX_TREE_H

#include "box/pool.h"

struct tree_item {
	char *name;
	char *backing; /* the volume below, or NULL: none, or none of the pool's */
};

struct tree {
	struct tree_item *items;
	size_t count;
};

/* Looks at all sandboxes' disks ("disk-…"). EX_IOERR. */
MUST_CHECK int tree_load(virStoragePoolPtr pool, struct tree *ret_tree, struct error *err);

/* NULL when it is not there. */
const struct tree_item *tree_find(const struct tree *tree, const char *name);

/* A volume that lies right over @name, or NULL. */
const struct tree_item *tree_child(const struct tree *tree, const char *name);

/* Forgets a volume, which was deleted. */
void tree_forget(struct tree *tree, const char *name);

/* The volume's name in a path of the pool (borrowed), or NULL when it is no such path. */
const char *tree_volume_of(const char *path);

void tree_done(struct tree *tree);
#define _cleanup_tree_ _cleanup_(tree_done)

#endif
