/*
 * The files of a sandbox's network log, and whose they are: NETWORK_LOG_DIR/NAME holds the two
 * files, which are the sandbox's owner's, and `owner`, which is root's. They outlast `halt`; with
 * `destroy` they go.
 */
#ifndef HOOK_NETWORK_LOG_H
#define HOOK_NETWORK_LOG_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

#define NETWORK_LOG_DIR	     "/var/log/migrant"
#define NETWORK_LOG_FILES    2
#define NETWORK_LOG_FILE_MAX (2 * 1024 * 1024) /* bytes of either */

/* "network.0", "network.1" */
extern const char *const network_log_files[NETWORK_LOG_FILES];

/*
 * Makes the directory and notes the owner; what another user's sandbox of that name has left goes.
 * EX_CANTCREAT, EX_NOPERM when somebody but root can write there, EX_IOERR.
 */
MUST_CHECK int network_log_prepare(const char *name, uid_t owner, struct error *err);

/* Opens both for appending, made and handed to the owner if need be. EX_CANTCREAT. */
MUST_CHECK int network_log_open(const char *name, uid_t owner, gid_t group,
				int ret_fds[NETWORK_LOG_FILES], struct error *err);

/* Whose log it is; *ret_found is false when there is none. EX_IOERR, EX_DATAERR. */
MUST_CHECK int network_log_owner(const char *name, uid_t *ret_owner, bool *ret_found,
				 struct error *err);

/* Takes it away. Absent is fine. EX_IOERR. */
MUST_CHECK int network_log_remove(const char *name, struct error *err);

#endif
