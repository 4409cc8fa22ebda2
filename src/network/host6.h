/*
 * The host's IPv6 side, which is there while a sandbox with `ipv6: nat` runs: routing rules, one
 * route, sysctls. Its firewall rules are in the table of network/host.h.
 */
#ifndef NETWORK_HOST6_H
#define NETWORK_HOST6_H

#include "base/netlink.h"

/*
 * Where the first such sandbox's hook writes which sysctls it has changed, before anything else: as
 * long as it is there, so may be all the rest.
 */
#define HOST6_STATE "/run/migrant/host6.json"

/* Makes it, or makes it whole again. EX_CONFIG when the host has no IPv6. */
MUST_CHECK int host6_ensure(struct netlink *netlink, struct error *err);

/* Whether it has been made. */
bool host6_is_there(void);

/* Takes it away, unless the uplink of some sandbox has IPv6. */
MUST_CHECK int host6_remove(struct netlink *netlink, struct error *err);

/* One line per item that is not as it should be; none when it was not made. */
MUST_CHECK int host6_drift(struct netlink *netlink, void (*add)(void *data, const char *line),
			   void *data, struct error *err);

#endif
