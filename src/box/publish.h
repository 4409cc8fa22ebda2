/*
 * Putting a verified box into the pool, and taking one out.
 */
#ifndef BOX_PUBLISH_H
#define BOX_PUBLISH_H

#include "box/box.h"
#include "box/inspect.h"

struct publication {
	const char *name;
	enum image_format format;
	uint64_t virtual_size; /* bytes, as image_inspect() found it */
	int image;	       /* descriptors, borrowed; -1: none */
	int kernel, initrd;
	const char *cmdline;  /* with a kernel */
	const char *firmware; /* without one */
	const char *source;   /* for people */
	bool replace;	      /* a box of that name may be there already */
};

/*
 * Uploads what the pool does not have yet, then writes the manifest. EX_CANTCREAT when another
 * image is installed under that name. Fails with nothing published; holds the lock of all boxes
 * meanwhile.
 */
MUST_CHECK int box_publish(virStoragePoolPtr pool, const struct publication *publication,
			   struct box *ret_box, struct error *err);

/* Takes the box's manifest away and then those of its volumes that no box and no domain needs. */
MUST_CHECK int box_unpublish(virConnectPtr connection, virStoragePoolPtr pool,
			     const struct box *box, struct error *err);

/*
 * One process on this host at a time publishes or removes boxes; the lock ends with the descriptor.
 * Waits, saying so, until it is free. Returns the descriptor or -1 with *err set.
 */
MUST_CHECK int box_lock(struct error *err);

#endif
