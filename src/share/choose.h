/*
 * Which image a share of a project has.
 */
#ifndef SHARE_CHOOSE_H
#define SHARE_CHOOSE_H

#include "share/identity.h"
#include "share/image.h"
#include "share/shares.h"

/*
 * Finds the image of @share. A project that was moved on its file system is known again by its
 * directory's identity and the description is corrected; *ret_found is false when there is no image
 * yet. EX_NOINPUT when one may be meant whose project has gone: adopting it is the user's choice.
 * EX_CONFIG when it is larger than the share says: nothing is ever shrunk.
 */
MUST_CHECK int choose_image(const struct share_set *set, const struct share *share,
			    const struct identity *owner, bool *ret_found,
			    struct description *ret_description, struct error *err);

/* The description of an image that is to be made for @share. */
MUST_CHECK int choose_new(const struct share_set *set, const struct share *share,
			  const struct identity *owner, struct description *ret_description,
			  struct error *err);

#endif
