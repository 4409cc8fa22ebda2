/*
 * The link from a gateway to the outside, by way of the host. Without a tunnel everything leaves by
 * it; with one only what a grant names, and it is there only when there is such a grant.
 */
#ifndef NETWORK_UPLINK_H
#define NETWORK_UPLINK_H

#include "network/policy.h"
#include "network/wiring.h"

bool uplink_is_needed(const struct policy *policy);

/* Makes it when it is needed and not there yet, with the ways that @policy needs. */
MUST_CHECK int uplink_open(const struct wiring *wiring, const char *name,
			   const struct policy *policy, struct error *err);

/* Of one that is there already: the ways of IPv6, once its addresses are there. */
MUST_CHECK int uplink_open_ways(const struct wiring *wiring, const struct policy *policy,
				int family, struct error *err);

/* Takes away ways that @policy does not need, and the link when it needs none. */
MUST_CHECK int uplink_prune(const struct wiring *wiring, const char *name,
			    const struct policy *policy, struct error *err);

#endif
