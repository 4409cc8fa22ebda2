/*
 * The directory of the project in which the user sees a share.
 */
#ifndef SHARE_TARGET_H
#define SHARE_TARGET_H

#include <stdbool.h>

#include "share/identity.h"

struct target {
	const struct identity *owner;
	const char *directory; /* of the project: absolute, without links */
	const char *host;      /* below it, clean */
	bool make;	       /* make what is missing of it */
	bool empty;	       /* refuse it unless it is empty */
	bool mounted;	       /* nothing is checked but the way there: a share is mounted on it */
};

/*
 * Opens it (O_PATH), walking as the user and through no link. EX_NOPERM when somebody else could
 * replace a directory on the way, or it is not the user's own; EX_NOINPUT when the project's
 * directory is not there; EX_CANTCREAT when it is not empty, or something is mounted on it.
 */
MUST_CHECK int target_open(const struct target *target, int *ret_fd, struct error *err);

/* What tells the project's directory from others even when it is moved: "INODE@BIRTH", or "". */
MUST_CHECK int target_identify(const struct identity *owner, const char *directory,
			       char **ret_identity, struct error *err);

#endif
