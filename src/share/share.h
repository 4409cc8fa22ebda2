/*
 * The shares of one sandbox: plain data between the Migrantfile and the hook, and the names that
 * both sides spell alike.
 *
 * The program makes struct share from struct config_share and writes it into the domain's metadata;
 * the hook reads it back, validates it again and makes it real before virtiofsd starts. See
 * docs/shares.md for what happens to it.
 */
#ifndef SHARE_SHARE_H
#define SHARE_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define SHARE_MAX      32 /* shares of one sandbox */
#define SHARE_TAG_MAX  16
#define SHARE_SIZE_MIN (UINT64_C(16) << 20) /* bytes; below, ext4's own data takes half of it */
#define SHARE_SIZE_MAX (UINT64_C(16) << 40) /* ext4's largest file, which the image is */

/*
 * The guest's user; the only one that files of a share belong to, whoever made them there (see
 * docs/shares.md).
 */
#define SHARE_GUEST_ID 1000

/* What the domain's <binary path=…> names: it confines itself, then becomes virtiofsd. */
#define SHARE_VIRTIOFSD "/usr/sbin/migrant-virtiofsd"

struct share {
	char *host;    /* below the project's directory: "a/b", no empty part, no "." or ".." */
	char *guest;   /* absolute, as clean */
	uint64_t size; /* bytes: the cap; of no meaning without `isolate` */
	bool read_only;
	bool isolate;		 /* false: a plain directory of the host, no image */
	bool reserve;		 /* the whole size is allocated at once */
	char tag[SHARE_TAG_MAX]; /* what the guest mounts: share_tag() of its place in the list */
};

/*
 * EX_DATAERR, naming which, unless every share could be made: paths as above and at most 1023
 * printable bytes, no two that overlap on either side, sizes from SHARE_SIZE_MIN to SHARE_SIZE_MAX,
 * tags by place, `reserve` with `isolate` only. Pure.
 */
MUST_CHECK int share_validate(const struct share *shares, size_t count, struct error *err);

/* "share0", "share1", … */
void share_tag(size_t index, char tag[SHARE_TAG_MAX]);

/*
 * Where share @index of the running sandbox @name is mounted for virtiofsd: the domain's
 * <source dir=…>. The directory above it is root's alone. The caller frees.
 */
char *share_source(const char *name, size_t index);

/* What an image is called by; its files bear it as their names. */
#define IMAGE_ID_LENGTH 16 /* hexadecimal digits */
bool image_id_is_valid(const char *text);

/* True when one of the two clean paths is the other or lies in it. Pure. */
bool share_paths_overlap(const char *a, const char *b);

void share_done(struct share *share);

#endif
