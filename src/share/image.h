/*
 * The images of shares: files of root's below IMAGE_DIR, one directory for each user. The caller
 * holds the root side's one lock.
 */
#ifndef SHARE_IMAGE_H
#define SHARE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "share/description.h"

#define IMAGE_DIR "/var/lib/migrant/shares"

struct image_list {
	struct description *items;
	size_t count;
};
void image_list_done(struct image_list *list);
#define _cleanup_images_ _cleanup_(image_list_done)

/*
 * The user's images; what was half made is cleared away first. EX_DATAERR for a description that
 * cannot be read: what it was for is not guessed.
 */
MUST_CHECK int image_list_load(uid_t owner, struct image_list *ret_list, struct error *err);

/* The users who have any; the array is the caller's to free(). */
MUST_CHECK int image_owners(uid_t **ret_owners, size_t *ret_count, struct error *err);

/* The caller frees. */
char *image_path(uid_t owner, const char *id);

/*
 * Makes an empty image, and fills in description->id and ->created. @reserve: all of it is
 * allocated. Nothing is left of it on failure: EX_CANTCREAT, also on a full disk.
 */
MUST_CHECK int image_make(struct description *description, bool reserve, struct error *err);

/*
 * Opens an image for reading and writing and locks it; the lock lasts until every copy of the
 * descriptor is closed, a loop device's too. EX_TEMPFAIL when somebody has it locked, EX_NOINPUT
 * when the file is missing, EX_DATAERR when it is not such a file as image_make() makes.
 */
MUST_CHECK int image_open(const struct description *description, int *ret_fd, struct error *err);

/* Replaces the description. */
MUST_CHECK int image_describe(const struct description *description, struct error *err);

/* Grows the image's file and file system to description->size, if they are smaller. */
MUST_CHECK int image_grow(const struct description *description, int fd, struct error *err);

/* Allocates all of it. EX_CANTCREAT when the disk has not that much. */
MUST_CHECK int image_reserve(const struct description *description, int fd, struct error *err);

/* EX_CANTCREAT when its file system has to be repaired and the host's disk has no room for that. */
MUST_CHECK int image_check_room(const struct description *description, int fd, struct error *err);

/* Bytes that it takes on the disk now; 0 when it is missing. */
uint64_t image_allocated(const struct description *description);

/* EX_TEMPFAIL when it is in use. Absent is fine. */
MUST_CHECK int image_delete(const struct description *description, struct error *err);

#endif
