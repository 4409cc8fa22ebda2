/*
 * Links between the host's namespace and a gateway's.
 */
#ifndef NETWORK_WIRING_H
#define NETWORK_WIRING_H

#include "base/netlink.h"
#include "network/block.h"

/* Between which namespaces, and whose. */
struct wiring {
	struct netlink *host;	/* in the host's namespace, where the caller is */
	struct netlink *inside; /* in the gateway's */
	int netns;		/* the gateway's */
	const char *alias;	/* of every link of the sandbox: its namespace's name */
	const struct prefix *block;
};

/*
 * A veth pair: @name on the host, with an alias that says whose it is, and @peer inside. Both down,
 * IPv6 off, their addresses numbered from @part on.
 */
MUST_CHECK int wiring_pair(const struct wiring *wiring, const char *name, const char *peer,
			   enum block_part part, struct link *ret_outer, struct link *ret_inner,
			   struct error *err);

MUST_CHECK int wiring_bring_up(struct netlink *netlink, const struct link *link, struct error *err);
MUST_CHECK int wiring_add_address(struct netlink *netlink, const struct link *link,
				  const struct address *address, unsigned int length,
				  struct error *err);

#endif
