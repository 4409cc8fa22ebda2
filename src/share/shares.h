/*
 * The shares of one sandbox, made real by root: see docs/shares.md.
 *
 * Everything here runs as root, in the mount namespace in which libvirt starts virtiofsd, one
 * caller at a time. Nothing is known of a sandbox's shares but what the kernel and root's own files
 * tell: the metadata is asked only for what is to be made.
 */
#ifndef SHARE_SHARES_H
#define SHARE_SHARES_H

#include "base/error.h"
#include "base/lines.h"
#include "share/description.h"
#include "share/share.h"

struct share_set {
	const char *name; /* of the sandbox, validated */
	uid_t owner;
	const char *directory;	    /* of the project: absolute */
	const struct share *shares; /* validated */
	size_t count;
};

/*
 * Mounts all shares, for virtiofsd and for the user; makes, checks and grows images. RUN_DIR/NAME
 * exists. On failure the caller calls shares_release(). What a user can do about it is in the hint.
 */
MUST_CHECK int shares_make(const struct share_set *set, struct error *err);

/*
 * Adds a line for everything that is not as shares_make() left it: @isolation when the guest must
 * not run so, @host when only the user's view differs.
 */
MUST_CHECK int shares_verify(const char *name, uid_t owner, struct lines *isolation,
			     struct lines *host, struct error *err);

/* How many shares shares_make() has made for this sandbox. */
MUST_CHECK int shares_count(const char *name, size_t *ret_count, struct error *err);

/*
 * Unmounts, everywhere, whatever of the sandbox's shares there is, and lets go of the loop devices;
 * @left gets a line for what others still hold. Absent is fine.
 */
MUST_CHECK int shares_release(const char *name, struct lines *left, struct error *err);

/* The user's mounts alone, for a sandbox that does not run: those that are there already are fine.
 */
MUST_CHECK int shares_show(const struct share_set *set, struct error *err);

/* Grows the images of a sandbox that does not run to the sizes in the set. */
MUST_CHECK int shares_grow(const struct share_set *set, struct error *err);

/* Whether shares of this sandbox are mounted, and by which user's images: *ret_owner. */
MUST_CHECK int shares_owner(const char *name, bool *ret_found, uid_t *ret_owner, struct error *err);

/*
 * Gives image @id of the set's owner to the project of the set: its directory is another now.
 * EX_NOINPUT when there is none, EX_TEMPFAIL while it is in use, EX_CANTCREAT when that project has
 * an image of the same share.
 */
MUST_CHECK int shares_adopt(const struct share_set *set, const char *id, struct error *err);

#endif
