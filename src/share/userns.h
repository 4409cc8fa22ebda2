/*
 * User namespaces, as maps of ids: for mounts that show other owners than the file system stores,
 * and for virtiofsd, which is nobody on the host.
 */
#ifndef SHARE_USERNS_H
#define SHARE_USERNS_H

#include <sys/types.h>

#include "base/error.h"

/*
 * Where ids go that belong to nobody on the host. systemd's list of ranges
 * (https://systemd.io/UIDS-GIDS) has nothing between 0x70000000 and 0x7ffdffff.
 */
#define USERNS_UNUSED 0x7d670000U
#define USERNS_COUNT  65536U

/*
 * Makes a namespace in which id N is USERNS_UNUSED + N outside, but SHARE_GUEST_ID, which is @uid
 * and @gid. EX_UNAVAILABLE where the kernel gives none.
 */
MUST_CHECK int userns_make(uid_t uid, gid_t gid, int *ret_fd, struct error *err);

#endif
