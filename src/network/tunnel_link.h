/*
 * The tunnel as a link of a gateway.
 */
#ifndef NETWORK_TUNNEL_LINK_H
#define NETWORK_TUNNEL_LINK_H

#include "network/gateway.h"
#include "network/wiring.h"

/*
 * EX_DATAERR, naming what, when the tunnel and the sandbox want the same addresses, or a grant
 * takes the tunnel's resolver out of it.
 */
MUST_CHECK int tunnel_link_check(const struct sandbox *sandbox, const struct prefix *pool,
				 struct error *err);

/*
 * Makes it unless it is there, and gives it the addresses and routes of IPv4 again; and then those
 * of IPv6, if the policy lets it have them. EX_UNAVAILABLE without WireGuard, EX_OSERR.
 */
MUST_CHECK int tunnel_link_restore(const struct wiring *wiring, const struct sandbox *sandbox,
				   struct error *err);
MUST_CHECK int tunnel_link_open(const struct wiring *wiring, const struct sandbox *sandbox,
				struct error *err);

#endif
