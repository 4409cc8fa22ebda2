/*
 * `box add`: an image from elsewhere becomes a box once somebody vouched for its bytes.
 */
#ifndef BOX_FETCH_H
#define BOX_FETCH_H

#include "box/box.h"
#include "box/description.h"

/* What is asked for. Set the first group, then fetch_resolve() sets the second. */
struct fetch {
	const char
		*checksum; /* sha256:HEX, sha512:HEX, URL or path of a file of checksums; or NULL */
	const char *name;  /* or NULL: from the description or the file's name */
	const char *firmware; /* or NULL: bios */
	enum image_format format;
	bool replace;

	bool described; /* by a description; otherwise a file or URL that the user named */
	struct description description;
	char *image; /* URL or path */
	char *default_name;
};

/*
 * Finds out what @operand is: a URL, a file, or a box with a description. EX_USAGE when there is no
 * checksum for the first two, or the box is built and not fetched. Looks at files only.
 */
MUST_CHECK int fetch_resolve(struct fetch *fetch, const char *operand, struct error *err);

/*
 * Fetches, verifies, publishes. EX_DATAERR for a wrong checksum, signature or image, EX_NOINPUT
 * when the image is missing; nothing is published then.
 */
MUST_CHECK int box_fetch(virStoragePoolPtr pool, const struct fetch *fetch, struct box *ret_box,
			 struct error *err);

void fetch_done(struct fetch *fetch);
#define _cleanup_fetch_ _cleanup_(fetch_done)

#endif
