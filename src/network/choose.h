/*
 * Which addresses a new sandbox's wire gets. They are the same everywhere, unless the host itself
 * uses them, which it does when it is a guest of migrant.
 */
#ifndef NETWORK_CHOOSE_H
#define NETWORK_CHOOSE_H

#include <stddef.h>

#include "base/error.h"
#include "network/policy.h"

/* What the host uses: prefixes of its addresses, its routes but the default ones, its resolvers. */
struct taken {
	struct prefix *prefixes;
	size_t count;
};
void taken_add(struct taken *taken, const struct prefix *prefix);
/* Pure: adds the IPv4 routes of /proc/net/route's text, and the resolvers of a resolv.conf. */
void taken_add_routes(struct taken *taken, const char *text);
void taken_add_resolvers(struct taken *taken, const char *text);
void taken_done(struct taken *taken);
#define _cleanup_taken_ _cleanup_(taken_done)

/* Pure: the first free one of 10.213.0.0/30 … 10.221.0.0/30. EX_UNAVAILABLE when none is. */
MUST_CHECK int wire_choose_among(const struct taken *taken, struct wire *ret_wire,
				 struct error *err);

/* The same for this host as it is now. */
MUST_CHECK int wire_choose(struct wire *ret_wire, struct error *err);

#endif
