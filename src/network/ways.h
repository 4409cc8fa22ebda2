/*
 * The ways from the host to a gateway: the host's end of an uplink, and what leads to it.
 */
#ifndef NETWORK_WAYS_H
#define NETWORK_WAYS_H

#include "base/netlink.h"
#include "base/strbuf.h"

/* Address, route and neighbours of the uplink @link, and the link up. What is there stays. */
MUST_CHECK int ways_open(struct netlink *host, const char *link, const struct prefix *block,
			 struct error *err);

/* One line for each address and route of the links with @alias. */
MUST_CHECK int ways_describe(struct netlink *host, const char *alias, struct strbuf *output,
			     struct error *err);

/* The same as ways_open() for the gateway with @alias, IPv6 included where its uplink has it. */
MUST_CHECK int ways_repair(struct netlink *host, const char *alias, int netns,
			   const char *directory, struct error *err);

/* The MAC address of the link whose address in the pool is @address (locally administered, IEEE
 * 802c). */
struct mac ways_mac(const struct address *address);

#endif
