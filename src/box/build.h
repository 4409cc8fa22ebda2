/*
 * Building a box from a recipe.
 */
#ifndef BOX_BUILD_H
#define BOX_BUILD_H

#include "box/box.h"
#include "box/description.h"

/*
 * Builds the recipe with mmdebstrap, verifies and publishes it. EX_UNAVAILABLE with what is missing
 * on this host; EX_SOFTWARE with mmdebstrap's last words. Minutes; shows progress.
 */
MUST_CHECK int box_build(virStoragePoolPtr pool, const struct description *description,
			 bool replace, struct box *ret_box, struct error *err);

/* EX_UNAVAILABLE with a hint when this user cannot build boxes on this host. Looks only. */
MUST_CHECK int box_build_check(struct error *err);

#endif
