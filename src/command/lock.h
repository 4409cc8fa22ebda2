/*
 * Locks between this user's migrants. The kernel lets go of one when its descriptor is closed, so
 * also when the process that holds it dies.
 */
#ifndef COMMAND_LOCK_H
#define COMMAND_LOCK_H

#include "base/error.h"

/* Seconds for which a command waits while another one works on the same sandbox. */
#define LOCK_SECONDS 600

/* What is shared by all sandboxes of a family: which frozen disk somebody still lies over. */
#define LOCK_DISKS "/disks" /* no sandbox's name */

/*
 * Take a lock into *ret_fd, which the caller closes. Another one's is waited for, and that is said,
 * at most @seconds: EX_TEMPFAIL; with 0 at once. 128+signal when interrupted.
 */
MUST_CHECK int lock_directory(const char *path, unsigned int seconds, int *ret_fd,
			      struct error *err);
MUST_CHECK int lock_name(const char *name, unsigned int seconds, int *ret_fd, struct error *err);

#endif
