/*
 * A box's image is hostile input until it was looked at. Nothing of QEMU opens it before its header
 * was found to be plain here.
 */
#ifndef BOX_INSPECT_H
#define BOX_INSPECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum image_format { IMAGE_QCOW2, IMAGE_RAW };

/* Bytes of an image's beginning that the check needs. */
#define IMAGE_HEADER_MAX 65536
/* The largest virtual size of a box. */
#define IMAGE_VIRTUAL_MAX (UINT64_C(2) << 40)

/*
 * Checks the first @length bytes (at most IMAGE_HEADER_MAX) of an image of @stored bytes. Pure.
 * EX_DATAERR with the reason: not that format, a backing file, a data file, encrypted, internal
 * snapshots, features that are unknown, tables outside of the file (truncated), an absurd size.
 */
MUST_CHECK int image_check_header(const void *bytes, size_t length, uint64_t stored,
				  enum image_format format, uint64_t *ret_virtual_size,
				  struct error *err);

/* The same for a qcow2 that must have exactly the backing file @backing (a path). */
MUST_CHECK int image_check_overlay(const void *bytes, size_t length, uint64_t stored,
				   const char *backing, uint64_t *ret_virtual_size,
				   struct error *err);

/* The same for an open file, and then what qemu-img, under limits, says about a qcow2. */
MUST_CHECK int image_inspect(int fd, enum image_format format, uint64_t *ret_virtual_size,
			     struct error *err);

const char *image_format_name(enum image_format format);

#endif
