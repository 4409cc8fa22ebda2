/*
 * wg(8), through which both kinds of WireGuard are set and asked. It finds the kernel's interface
 * in the network namespace that the caller is in; keys go to it by a descriptor.
 */
#ifndef TUNNEL_WG_H
#define TUNNEL_WG_H

#include "tunnel/wireguard.h"

/*
 * Gives @link its keys and peers. Each peer is greeted as soon as the link is up. EX_UNAVAILABLE
 * without wg(8), EX_OSERR when it fails, as for all of these.
 */
MUST_CHECK int wg_configure(const char *link, const struct wireguard *wireguard, struct error *err);

/*
 * Adds what `wg show LINK dump` prints: with all keys, so the caller wipes it, and gives it a
 * buffer that is empty.
 */
MUST_CHECK int wg_dump(const char *link, struct strbuf *dump, struct error *err);

/*
 * Ends the greeting of those peers that have answered, by @dump, where the configuration has no
 * keepalive. *ret_changed: the dump is not what there is any more.
 */
MUST_CHECK int wg_settle(const char *link, const struct wireguard *wireguard,
			 const struct strbuf *dump, bool *ret_changed, struct error *err);

#endif
