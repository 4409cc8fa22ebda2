/*
 * What root knows of an image: whose it is and for which share of which project, beside the image
 * in a file of root's. Nothing about an image is believed from anywhere else.
 */
#ifndef SHARE_DESCRIPTION_H
#define SHARE_DESCRIPTION_H

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define DESCRIPTION_MAX 16384 /* bytes of the file */

struct description {
	char *id; /* the image's; names its files */
	uid_t owner;
	char *sandbox;	 /* name, when it was made */
	char *directory; /* of the project */
	char *identity;	 /* what tells that directory from others, see target_identify() */
	char *host;	 /* the share's path below it */
	uint64_t size;	 /* bytes: the cap; the image grows to it if it is smaller */
	char *created;	 /* RFC 3339, UTC */
};

/* The JSON document, with a final newline; the caller frees. Pure. */
char *description_format(const struct description *description);

/* EX_DATAERR when it is not what description_format() writes. Pure. */
MUST_CHECK int description_parse(const char *text, struct description *ret_description,
				 struct error *err);

void description_done(struct description *description);
#define _cleanup_description_ _cleanup_(description_done)

#endif
