/*
 * The manifest of an installed box: JSON in the pool, written last. Text and parsing are pure.
 */
#ifndef BOX_MANIFEST_H
#define BOX_MANIFEST_H

#include "box/box.h"

/*
 * Bytes of every manifest: filled up with spaces, so that a new one overwrites an old one in place
 * and in one write.
 */
#define MANIFEST_SIZE 4096

#define MANIFEST_PREFIX "box-"

/* "box-NAME.json"; the caller frees. */
char *manifest_name(const char *box_name);

/* True for a name that a box can have: [a-z0-9][a-z0-9._-]*, at most 63 bytes. */
bool box_name_is_valid(const char *name);

/* The text of exactly MANIFEST_SIZE bytes. EX_DATAERR when the box does not fit in it. */
MUST_CHECK int manifest_format(const struct box *box, char **ret_text, struct error *err);

/* EX_DATAERR on anything missing, unknown in version, or not the name of a volume of ours. */
MUST_CHECK int manifest_parse(const char *text, struct box *ret_box, struct error *err);

#endif
