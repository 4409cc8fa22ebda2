/*
 * Doing something with the identity of a sandbox's user.
 */
#ifndef SHARE_IDENTITY_H
#define SHARE_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

#define IDENTITY_GROUPS_MAX 256

struct identity {
	uid_t uid;
	gid_t gid;
	bool gid_is_private; /* nobody else is in that group, as Debian makes users */
	gid_t groups[IDENTITY_GROUPS_MAX];
	size_t group_count;
};

/*
 * The user's groups as /etc/passwd and /etc/group have them; a user who is in neither (LDAP) gets
 * a group of the same number, which nobody else has. EX_OSERR.
 */
MUST_CHECK int identity_find(uid_t uid, struct identity *ret_identity, struct error *err);

/*
 * Calls @work in a child that is this user and nobody else, and hands its descriptor over. Error
 * and result are @work's. EX_TEMPFAIL when it takes longer than half a minute, as on a network file
 * system whose server has gone.
 */
MUST_CHECK int identity_open(const struct identity *identity,
			     int (*work)(const void *data, int *ret_fd, struct error *err),
			     const void *data, int *ret_fd, struct error *err);

#endif
