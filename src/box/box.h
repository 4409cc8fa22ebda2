/*
 * A box: a base image with what is needed to trust and boot it. Described by boxes/NAME.yaml,
 * published in the pool as volumes and a manifest (box/pool.h).
 */
#ifndef BOX_BOX_H
#define BOX_BOX_H

#include <libvirt/libvirt.h>
#include <stdint.h>

#include "base/error.h"
#include "box/pool.h"

/* An installed box, read from its manifest in the pool. */
struct box {
	char *name;
	char *digest;	       /* SHA-256 of the image, 64 hex digits */
	char *image;	       /* volume names */
	char *kernel, *initrd; /* NULL: the box boots by its own firmware and boot loader */
	char *cmdline;	       /* with a kernel */
	char *format;	       /* of the image: qcow2 or raw */
	char *firmware;	       /* "bios" or "uefi", for boxes without a kernel */
	uint64_t virtual_size; /* bytes */
	uint64_t stored_size;  /* bytes of all volumes */
	char *source;	       /* where it came from: a URL or "built from …", for people */
	char *created;	       /* RFC 3339, UTC */
};

/*
 * Loads the installed box @name, or that of the description file at the path @name, from the pool.
 * EX_NOINPUT when it is not installed (hint: how to get it), EX_DATAERR when the manifest is broken
 * or a volume is missing or not what the manifest says (size, owner, mode).
 */
MUST_CHECK int box_load(virStoragePoolPtr pool, const char *name, struct box *ret_box,
			struct error *err);

void box_done(struct box *box);
#define _cleanup_box_ _cleanup_(box_done)

#endif
