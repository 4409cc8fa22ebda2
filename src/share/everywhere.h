/*
 * Finding and ending the mounts of a sandbox's shares in every mount namespace there is.
 */
#ifndef SHARE_EVERYWHERE_H
#define SHARE_EVERYWHERE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/lines.h"

/* What belongs to a sandbox: loop devices, and what is mounted below a directory of root's. */
struct remains {
	const unsigned int *loops;
	size_t loop_count;
	const char *below; /* ends with '/'; NULL: nothing */
	uid_t owner;	   /* the user, who sees what root may not (FUSE); (uid_t)-1: unknown */
};

/*
 * Unmounts, in this namespace and in all others, what can be. EX_OSERR when mounts cannot be listed
 * here; what happens elsewhere is no error.
 */
MUST_CHECK int everywhere_unmount(const struct remains *remains, struct error *err);

/*
 * Kills every virtiofsd that serves one of the devices, and waits for its end: it would keep them.
 * The caller knows that its guest has gone.
 */
MUST_CHECK int everywhere_end_servers(const struct remains *remains, struct error *err);

/*
 * Adds a line for every process (a few of them) that has a mount of these, or a file on such a
 * device, open.
 */
void everywhere_users(const struct remains *remains, struct lines *lines);

/* True when a mount of these is left in some namespace. */
bool everywhere_is_mounted(const struct remains *remains);

#endif
