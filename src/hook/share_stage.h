/*
 * Shares as a part of a sandbox's stages.
 */
#ifndef HOOK_SHARE_STAGE_H
#define HOOK_SHARE_STAGE_H

#include "hook/protocol.h"
#include "network/gateway.h"

/* What the share room needs to know of a sandbox; borrows from it. */
struct share_set share_set_of(const struct metadata *metadata);

/* Makes the shares of a sandbox that starts. On failure the caller releases it. */
MUST_CHECK int share_stage_make(const struct metadata *metadata, struct error *err);

/* EX_SOFTWARE unless the guest's mounts are as they were made: it must not run so. */
MUST_CHECK int share_stage_check(const struct metadata *metadata, struct error *err);

/* Adds what has changed. */
MUST_CHECK int share_stage_verify(const char *name, uid_t owner, struct drift *drift,
				  struct error *err);

/* Takes them away. What somebody else still uses is no error. */
MUST_CHECK int share_stage_release(const char *name, struct error *err);

#endif
