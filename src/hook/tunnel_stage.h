/*
 * The secret half of a tunnel on its way: the program stages it before each start, `prepare` takes
 * it over, and while the sandbox runs it lies in its directory, for root alone.
 */
#ifndef HOOK_TUNNEL_STAGE_H
#define HOOK_TUNNEL_STAGE_H

#include "hook/protocol.h"
#include "tunnel/wireguard.h"

/*
 * What was staged for this sandbox by its owner, and is nowhere else any more whatever comes of it.
 * EX_NOINPUT when nothing was, EX_DATAERR when it is not what the metadata speak of. Without a
 * tunnel: nothing, and *ret_wireguard is NULL. The caller frees with tunnel_free().
 */
MUST_CHECK int tunnel_stage_take(const struct metadata *metadata, struct wireguard **ret_wireguard,
				 struct error *err);

/* Keeps what the program hands over, in place of what was there. EX_TEMPFAIL when too much is. */
MUST_CHECK int tunnel_stage_store(const char *name, uid_t owner, const struct wireguard *wireguard,
				  struct error *err);

/*
 * The copy of a sandbox that runs: making it (NULL: none), reading it as the metadata's, with the
 * same errors, and reading what there is.
 */
MUST_CHECK int tunnel_stage_keep(const char *name, const struct wireguard *wireguard,
				 struct error *err);
MUST_CHECK int tunnel_stage_kept(const struct metadata *metadata, struct wireguard **ret_wireguard,
				 struct error *err);

MUST_CHECK int tunnel_stage_load(const char *name, struct wireguard **ret_wireguard,
				 struct error *err);

void tunnel_free(struct wireguard **wireguard);
#define _cleanup_tunnel_ _cleanup_(tunnel_free)

/* Forgets what anybody has staged for @name; what was staged long ago for whomever. */
void tunnel_stage_clear(const char *name);
void tunnel_stage_sweep(void);

/* The facts of the tunnel that the metadata speak of in one text; the caller frees. */
char *tunnel_stage_facts(const struct metadata *metadata);

#endif
