/*
 * What lies in the pool: installed boxes, and who uses what. Private to the room.
 */
#ifndef BOX_INSTALLED_H
#define BOX_INSTALLED_H

#include "box/box.h"

/* Reads a manifest without looking at the volumes that it names. */
MUST_CHECK int box_load_manifest(virStoragePoolPtr pool, const char *manifest, struct box *ret_box,
				 struct error *err);

struct box_list {
	struct box *boxes;
	size_t count;
};

/* All boxes with a valid manifest; another one is as good as none. */
MUST_CHECK int box_list_load(virStoragePoolPtr pool, struct box_list *ret_list, struct error *err);
void box_list_done(struct box_list *list);
#define _cleanup_box_list_ _cleanup_(box_list_done)

/* The box of that name, or NULL. */
const struct box *box_list_find(const struct box_list *list, const char *name);
/* True when a box of the list other than @except (may be NULL) consists of volume @volume. */
bool box_list_uses(const struct box_list *list, const char *volume, const struct box *except);

/*
 * Names of the domains that use @digest, NULL-terminated: their definition (our metadata or a path)
 * or an overlay's backing file holds it. An overlay of no known domain counts by its own name.
 */
MUST_CHECK int box_users(virConnectPtr connection, virStoragePoolPtr pool, const char *digest,
			 char ***ret_users, struct error *err);

#endif
