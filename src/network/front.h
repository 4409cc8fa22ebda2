/*
 * Routing rules that stand together, in order, before those of everybody else.
 */
#ifndef NETWORK_FRONT_H
#define NETWORK_FRONT_H

#include "base/netlink.h"

#define FRONT_MAX 10

struct front {
	int family; /* AF_INET or AF_INET6 */
	/*
	 * In order. Priorities are given when they are added, the targets of jumps are indices
	 * here. suppress_length is 0 for "none", as a default route has at least that length.
	 */
	struct rule rules[FRONT_MAX];
	unsigned int count;
	unsigned int
		tables; /* index of the one that is there for each of the host's other tables */
};

/* Adds them, or makes them whole again: all there, and before those of others. */
MUST_CHECK int front_ensure(struct netlink *netlink, const struct front *front, struct error *err);

/* Deletes whatever is ours. */
MUST_CHECK int front_remove(struct netlink *netlink, const struct front *front, struct error *err);

/* One line per rule that is gone, one when others have come before ours, one per new table. */
MUST_CHECK int front_drift(struct netlink *netlink, const struct front *front,
			   void (*add)(void *data, const char *line), void *data,
			   struct error *err);

#endif
