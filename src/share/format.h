/*
 * ext4 inside of an image, by its own tools.
 */
#ifndef SHARE_FORMAT_H
#define SHARE_FORMAT_H

#include "base/error.h"

/* An empty file system over all of @image, whose root belongs to the guest's user. */
MUST_CHECK int format_make(int image, struct error *err);

/* Repairs what can be repaired without asking. EX_DATAERR when it stays damaged. */
MUST_CHECK int format_check(int image, struct error *err);

/* Grows the file system to the size of its file. */
MUST_CHECK int format_grow(int image, struct error *err);

#endif
