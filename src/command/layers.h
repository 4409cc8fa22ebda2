/*
 * Layers as `storage` shows them: with who lies over them, and with what is left of half-made ones.
 */
#ifndef COMMAND_LAYERS_H
#define COMMAND_LAYERS_H

#include <json-c/json.h>

#include "box/pool.h"
#include "layer/layer.h"

struct layers {
	virConnectPtr connection; /* NULL: libvirt does not answer, and nothing is known */
	virStoragePoolPtr pool;
	struct layer_list list;
	char ***users;	  /* for each of the list: names, NULL-terminated */
	char **leftovers; /* volumes of no layer, without users */
	char **orphans;	  /* disks of sandboxes that have gone, which nothing lies over */
};

#define _cleanup_layers_ _cleanup_(layers_done)
void layers_done(struct layers *layers);

/* A host without libvirt or pool has no layers. Errors of what answers: EX_IOERR, EX_UNAVAILABLE.
 */
MUST_CHECK int layers_load(struct layers *ret_layers, struct error *err);

/* The array of `storage --json`; NULL when nothing is known. The caller owns it. */
json_object *layers_json(const struct layers *layers);
void layers_print(const struct layers *layers);

/* Those of the caller's that nobody lies over, leftovers and orphans: how many, which, away with
 * them. */
size_t layers_count_needless(const struct layers *layers);
void layers_say_needless(const struct layers *layers);
MUST_CHECK int layers_prune(const struct layers *layers, struct error *err);

/* Reads all of each. Prints a line per layer; EX_DATAERR when one is not what it was. */
MUST_CHECK int layers_verify(const struct layers *layers, struct error *err);

#endif
