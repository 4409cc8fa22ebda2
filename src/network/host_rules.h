/*
 * The host's IPv4 routing rules for all sandboxes together.
 */
#ifndef NETWORK_HOST_RULES_H
#define NETWORK_HOST_RULES_H

#include "base/netlink.h"

#define DEFAULT_ROUTE_MAX 1 /* bits; VPNs split the default route in two */

/* Adds them, or makes them whole again: all there, and before those of others. */
MUST_CHECK int host_rules_ensure(struct netlink *netlink, const struct prefix *pool,
				 struct error *err);

/* Deletes whatever is ours. */
MUST_CHECK int host_rules_remove(struct netlink *netlink, struct error *err);

/* One line per rule that is gone, and one when others have come before ours. */
MUST_CHECK int host_rules_drift(struct netlink *netlink, void (*add)(void *data, const char *line),
				void *data, struct error *err);

#endif
