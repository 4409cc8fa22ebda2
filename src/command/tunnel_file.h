/*
 * The user's wireguard.conf: reading it, judging it together with the Migrantfile, and finding its
 * peers. What is done with it then are steps of `up` (up_tunnel.c).
 */
#ifndef COMMAND_TUNNEL_FILE_H
#define COMMAND_TUNNEL_FILE_H

#include "base/lines.h"
#include "config/config.h"
#include "network/policy.h"
#include "tunnel/tunnel.h"
#include "tunnel/wireguard.h"

/*
 * Reads the file that `wireguard` names. EX_NOINPUT; EX_NOPERM also for one that others can
 * change; EX_DATAERR with FILE:LINE. Only with config->wireguard set. @notes (or NULL) gets a line
 * when others can read the keys.
 */
MUST_CHECK int tunnel_file_load(const struct config *config, struct wireguard *ret_wireguard,
				struct lines *notes, struct error *err);

/*
 * What does not fit together: no resolver to ask, a resolver or a target of `via tunnel` that the
 * tunnel does not lead to, IPv6 that it does not carry. EX_CONFIG with the place in the
 * Migrantfile, or EX_DATAERR with that of the file. Pure.
 */
MUST_CHECK int tunnel_file_check(const struct config *config, const struct wireguard *wireguard,
				 struct error *err);

/* Both, for those who only want to know; no tunnel is fine. */
MUST_CHECK int tunnel_file_valid(const struct config *config, struct error *err);

/* What stands in the file and is not done, a line each, and what is lost without it. Pure. */
void tunnel_file_notes(const struct config *config, const struct wireguard *wireguard,
		       struct lines *notes);

/*
 * The public facts for the metadata: resolvers that the tunnel leads to; @mtu where the file names
 * none. Pure.
 */
void tunnel_facts(const struct wireguard *wireguard, uint32_t mtu, struct tunnel *ret_tunnel);

/*
 * Looks the names of endpoints up on the host, in a bounded time. EX_UNAVAILABLE when one has no
 * address, EX_TEMPFAIL when nobody answers, 128+signal when interrupted.
 */
MUST_CHECK int tunnel_resolve(struct wireguard *wireguard, struct error *err);

/* The WireGuard that this host has: "the kernel", "wireguard-go", or NULL. */
const char *tunnel_backend(void);
/* EX_UNAVAILABLE, naming the package, when there is none, or no wg. */
MUST_CHECK int tunnel_check_programs(struct error *err);

/* An MTU with which the encrypted packets fit the way to the peers as the host knows it. */
uint32_t tunnel_find_mtu(const struct wireguard *wireguard);

/*
 * tunnel_file_load() if there is to be a tunnel, and the policy that the Migrantfile asks for with
 * it. Errors as tunnel_file_load().
 */
MUST_CHECK int policy_wanted(const struct config *config, struct policy *ret_policy,
			     struct error *err);

#endif
