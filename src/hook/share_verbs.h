/*
 * The verbs about shares. Every one works on the caller's own images and directories; root may name
 * anybody's. None takes a path but from a sandbox's metadata, and that is walked as its owner.
 */
#ifndef HOOK_SHARE_VERBS_H
#define HOOK_SHARE_VERBS_H

#include <json-c/json.h>

#include "hook/verbs.h"

/*
 * mount NAME: shows the shares of the <migrant:sandbox> element on stdin to their user while the
 * sandbox does not run. {"name": …, "mounted": ["/path", …]}. EXIT_STATE when it runs.
 */
MUST_CHECK int share_verb_mount(const struct verb_args *args, struct strbuf *output,
				struct error *err);

/*
 * unmount NAME: takes that back. {"name": …, "left": ["process 12 (sh) works in it", …]}: what
 * still uses a share, which is unmounted all the same. EXIT_STATE when the sandbox runs.
 */
MUST_CHECK int share_verb_unmount(const struct verb_args *args, struct strbuf *output,
				  struct error *err);

/* The same as a part of `cleanup`; *ret_left is the caller's. */
MUST_CHECK int share_verb_clear(const struct verb_args *args, json_object **ret_left,
				struct error *err);

/* share-grow NAME: grows images to the sizes in the element on stdin, as the next `up` would. */
MUST_CHECK int share_verb_grow(const struct verb_args *args, struct strbuf *output,
			       struct error *err);

/*
 * share-list: the caller's images, for root everybody's: [{"id", "owner", "sandbox", "directory",
 * "share", "size", "allocated" (bytes on the disk), "created", "present", "in_use"}, …].
 */
MUST_CHECK int share_verb_list(const struct verb_args *args, struct strbuf *output,
			       struct error *err);

/* share-delete ID: deletes one of these. EX_TEMPFAIL while it is in use, EX_NOINPUT without it. */
MUST_CHECK int share_verb_delete(const struct verb_args *args, struct strbuf *output,
				 struct error *err);

/*
 * share-adopt ID: gives the image to the project of the element on stdin, in which a share of the
 * same path will find it.
 */
MUST_CHECK int share_verb_adopt(const struct verb_args *args, struct strbuf *output,
				struct error *err);

#endif
