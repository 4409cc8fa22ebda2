/*
 * A layer: the disk of a guest as its first successful `up` left it, kept read-only in the pool
 * over the box's image that it was made from, without anybody's identity in it.
 */
#ifndef LAYER_LAYER_H
#define LAYER_LAYER_H

#include <libvirt/libvirt.h>
#include <stdint.h>

#include "base/error.h"
#include "layer/inputs.h"

#define LAYER_PREFIX "layer-"

struct layer {
	char *key;    /* of its inputs: layer_inputs_key() */
	char *volume; /* name of the qcow2 */
	char *base;   /* name of the volume below it, a box's image, and its format */
	char *base_format;
	char *digest;		   /* SHA-256 of the volume's file */
	char *modified, *changed;  /* the file's times, as libvirt tells them */
	char *sandbox, *directory; /* where it was made */
	char *created;		   /* RFC 3339, UTC */
	uid_t owner;
	unsigned int group; /* whose processes may read it: QEMU's */
	uint64_t stored;    /* bytes of the file */
	uint64_t capacity;  /* bytes of the disk in it */
	struct layer_inputs inputs;
};

#define _cleanup_layer_ _cleanup_(layer_done)
void layer_done(struct layer *layer);

struct layer_list {
	struct layer *items;
	size_t count;
};
#define _cleanup_layer_list_ _cleanup_(layer_list_done)
void layer_list_done(struct layer_list *list);

/* -- pure (manifest.c) -- */

/* "layer-KEY.json"; the caller frees. */
char *layer_manifest_name(const char *key);

/* The manifest's text; the caller frees. */
char *layer_format(const struct layer *layer);

/* EX_DATAERR when it is not what layer_format() writes, or names volumes that are none of ours. */
MUST_CHECK int layer_parse(const char *text, struct layer *ret_layer, struct error *err);

/* -- in the pool -- */

/* The layer with this key. EX_NOINPUT when there is none, EX_DATAERR when its manifest is broken.
 */
MUST_CHECK int layer_find(virStoragePoolPtr pool, const char *key, struct layer *ret_layer,
			  struct error *err);

/*
 * True to what was published: the volume is there, root's, not to be written by anybody, and its
 * file has the length and the times that it had then. EX_DATAERR with what differs.
 */
MUST_CHECK int layer_check(virStoragePoolPtr pool, const struct layer *layer, struct error *err);

/* Reads all of the volume: EX_DATAERR when its digest is another one. layer_check() before. */
MUST_CHECK int layer_verify(virStoragePoolPtr pool, const struct layer *layer, struct error *err);

/* All layers with a valid manifest. */
MUST_CHECK int layer_list_load(virStoragePoolPtr pool, struct layer_list *ret_list,
			       struct error *err);

/* The layer whose volume lies at the pool's path @path. Errors as layer_find(). */
MUST_CHECK int layer_find_volume(virStoragePoolPtr pool, const char *path, struct layer *ret_layer,
				 struct error *err);

/* Takes the manifest away, then the volume. */
MUST_CHECK int layer_delete(virStoragePoolPtr pool, const struct layer *layer, struct error *err);

/*
 * Names of volumes that look like a layer's and belong to none: cut off while they were made, or
 * replaced since. NULL-terminated; the caller frees. One that is being made right now is not
 * listed.
 */
MUST_CHECK int layer_leftovers(virStoragePoolPtr pool, const struct layer_list *list,
			       char ***ret_names, struct error *err);

/* -- making one (make.c) -- */

/*
 * Of all on this host who make the layer @key at one time, one gets this; it ends with the
 * descriptor. Never waits: -1 when another has it.
 */
int layer_lock(const char *key);

/*
 * Reads the volume @disk, whose guest is paused meanwhile, into a nameless file. The header is
 * looked at: it must lie directly over the pool's volume layer->base and over nothing else.
 * Returns the descriptor, or -1 with *err set: EX_DATAERR when it is not such an image.
 */
MUST_CHECK int layer_fetch(virStoragePoolPtr pool, const char *disk, const char *base,
			   struct error *err);

/*
 * Stores what layer_fetch() got and publishes it: @layer has key, base, base_format, sandbox,
 * directory, owner, group and inputs; the rest is filled in. An older one of that key is replaced,
 * its volume stays for those who use it. EX_IOERR, EX_CANTCREAT: nothing is published.
 */
MUST_CHECK int layer_publish(virStoragePoolPtr pool, int fd, struct layer *layer,
			     struct error *err);

#endif
