/*
 * What nobody needs any more: boxes without a sandbox, and volumes that no box refers to.
 */
#ifndef BOX_PRUNE_H
#define BOX_PRUNE_H

#include "box/installed.h"

struct prune {
	char **items;	/* for people: "box NAME", "volume NAME"; @count of them */
	char **volumes; /* names, manifests first */
	size_t count;
};

/* Finds them. The caller holds box_lock() from before this until prune_apply() is done. */
MUST_CHECK int prune_find(virConnectPtr connection, virStoragePoolPtr pool, struct prune *ret_prune,
			  struct error *err);
MUST_CHECK int prune_apply(virStoragePoolPtr pool, const struct prune *prune, struct error *err);

void prune_done(struct prune *prune);
#define _cleanup_prune_ _cleanup_(prune_done)

#endif
