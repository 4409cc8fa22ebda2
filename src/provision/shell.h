/*
 * A script of the user's in the guest, and files of the host's. Private to the room.
 */
#ifndef PROVISION_SHELL_H
#define PROVISION_SHELL_H

#include <stdbool.h>

#include "provision/ssh.h"

/*
 * Runs @script (of @length bytes) in the guest, as root unless @as_user, in the login user's home
 * directory. Its output goes to stderr as it comes, with @title in front. EX_SOFTWARE when it ends
 * with another status than 0; errors as ssh_run().
 */
MUST_CHECK int shell_run(const char *title, const char *script, size_t length, bool as_user,
			 const struct guest_access *access, struct error *err);

/* Everything is borrowed. */
struct placement {
	const char *from; /* absolute, on the host: a file or a directory; no link leads there */
	const char *to;	  /* absolute, in the guest: what it becomes */
	const char *mode; /* of a file, octal; or NULL: the one that it has */
	bool as_user;	  /* not root's: the login user's, who has to be able to write there */
};

/*
 * Copies it into the guest. A file appears when it is complete; a directory is added to what is
 * there. Errors as ssh_run(), EX_NOINPUT, EX_SOFTWARE with the guest's reason.
 */
MUST_CHECK int placement_run(const struct placement *placement, const struct guest_access *access,
			     struct error *err);

#endif
