/*
 * What the host's own namespace carries for all sandboxes together: one table of rules, a few
 * routing rules, one route, two sysctls. Made with the first sandbox, gone with the last.
 */
#ifndef NETWORK_HOST_H
#define NETWORK_HOST_H

#include "base/netlink.h"
#include "network/rules.h"
#include "network/template.h"

/* Where the first sandbox's hook writes what was there before, and the pool in use. */
#define HOST_STATE "/run/migrant/host.json"
/* The table as the kernel lists it, to see changes by. */
#define HOST_RULES "/run/migrant/host.rules"

#define HOST_TABLE    28007U /* routing table of the uplinks */
#define HOST_PROTOCOL 109    /* rtnetlink's "who made this route": us */

/* The pool that BLOCK_CONFIG asks for, or the default. EX_CONFIG. */
MUST_CHECK int host_pool(struct prefix *ret_pool, struct error *err);

/*
 * Makes it, or makes it whole again. *ret_pool is the pool of the sandboxes that run, or @wanted
 * when none does. All functions work in the namespace that the caller is in.
 */
MUST_CHECK int host_ensure(struct netlink *netlink, const struct prefix *wanted,
			   struct prefix *ret_pool, struct error *err);

/* Takes it away, unless a sandbox's link is still there. */
MUST_CHECK int host_remove(struct netlink *netlink, struct error *err);

/* One line per item that is not as it should be. */
MUST_CHECK int host_drift(struct netlink *netlink, void (*add)(void *data, const char *line),
			  void *data, struct error *err);

/*
 * @used (or NULL): what no address of ours may collide with. @surroundings: what no guest reaches
 * unasked, but for what lies in the sandboxes' own @pool.
 */
MUST_CHECK int host_survey(struct netlink *netlink, const struct prefix *pool,
			   struct prefix_list *used, struct surroundings *surroundings,
			   struct error *err);

#endif
