/*
 * With a tunnel the uplink has no default route: one route for each address that is granted, and
 * whatever goes wrong with the rules, nothing else knows this way.
 */
#include "network/uplink.h"

#include <linux/rtnetlink.h>

#include "network/host.h"
#include "network/rules.h"
#include "network/ways.h"

/* Whether @grant is for something beyond that is not reached through the tunnel. */
static bool is_outside(const struct policy_grant *grant)
{
	return grant->kind != GRANT_HOST && !grant->via_tunnel;
}

bool uplink_is_needed(const struct policy *policy)
{
	for (size_t i = 0; policy->tunnel && i < policy->grant_count; i++)
		if (is_outside(&policy->grants[i]))
			return true;
	return !policy->tunnel;
}

static struct address block_part_of(const struct wiring *wiring, enum block_part part, int family)
{
	return family == AF_INET6 ? block_address6(wiring->block, part)
				  : block_address(wiring->block, part);
}

static struct route way(const struct wiring *wiring, const struct policy *policy, int index,
			int family)
{
	/* What starts here is dnsmasq's, or with a tunnel nobody's; the guest's is translated. */
	const enum block_part source = policy->tunnel ? BLOCK_UPLINK_GRANTED : BLOCK_UPLINK_DNS;

	return (struct route){
		.destination.address.family = family,
		.gateway = block_part_of(wiring, BLOCK_UPLINK_HOST, family),
		.source = block_part_of(wiring, source, family),
		.index = index,
		.table = RT_TABLE_MAIN,
		.type = RTN_UNICAST,
		.protocol = HOST_PROTOCOL,
		.scope = RT_SCOPE_UNIVERSE,
	};
}

static struct prefix alone(const struct address *address)
{
	return (struct prefix){*address, address_size(address) * 8};
}

int uplink_open_ways(const struct wiring *wiring, const struct policy *policy, int family,
		     struct error *err)
{
	struct link inner;
	struct route route;

	if (link_get(wiring->inside, INSIDE_UPLINK, &inner, err) < 0)
		return -1;
	route = way(wiring, policy, inner.index, family);
	if (!policy->tunnel)
		return route_add(wiring->inside, &route, err);
	for (size_t i = 0; i < policy->grant_count; i++) {
		const struct policy_grant *grant = &policy->grants[i];

		if (!is_outside(grant) || grant->address.family != family)
			continue;
		route.destination = alone(&grant->address);
		if (route_add(wiring->inside, &route, err) < 0)
			return -1;
	}
	return 0;
}

static int make(const struct wiring *wiring, const char *name, const struct policy *policy,
		struct error *err)
{
	static const enum block_part parts[] = {BLOCK_UPLINK_DNS, BLOCK_UPLINK,
						BLOCK_UPLINK_GRANTED};
	const size_t first = policy->tunnel ? ARRAY_SIZE(parts) - 1 : 0;
	const struct address host = block_address(wiring->block, BLOCK_UPLINK_HOST);
	struct link outer, inner;

	if (wiring_pair(wiring, name, INSIDE_UPLINK, BLOCK_UPLINK_HOST, &outer, &inner, err) < 0 ||
	    ways_open(wiring->host, name, wiring->block, err) < 0)
		return -1;
	for (size_t i = first; i < ARRAY_SIZE(parts); i++) {
		const struct address own = block_address(wiring->block, parts[i]);

		if (wiring_add_address(wiring->inside, &inner, &own, UPLINK_LENGTH, err) < 0)
			return -1;
	}
	if (link_neighbour_add(wiring->inside, inner.index, &host, &outer.mac, err) < 0)
		return -1;
	return wiring_bring_up(wiring->inside, &inner, err);
}

int uplink_open(const struct wiring *wiring, const char *name, const struct policy *policy,
		struct error *err)
{
	bool found = false;
	struct link link;

	if (!uplink_is_needed(policy))
		return 0;
	if (link_find(wiring->host, name, &link, &found, err) < 0 ||
	    (!found && make(wiring, name, policy, err) < 0))
		return -1;
	return uplink_open_ways(wiring, policy, AF_INET, err);
}

static bool is_granted(const struct policy *policy, const struct prefix *destination)
{
	for (size_t i = 0; i < policy->grant_count; i++)
		if (is_outside(&policy->grants[i]) &&
		    address_equal(&policy->grants[i].address, &destination->address))
			return true;
	return false;
}

static int prune_routes(const struct wiring *wiring, const struct policy *policy, struct error *err)
{
	_cleanup_free_ struct route *routes = NULL;
	size_t count = 0;
	struct link inner;

	if (link_get(wiring->inside, INSIDE_UPLINK, &inner, err) < 0 ||
	    route_list(wiring->inside, &routes, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const struct route *route = &routes[i];

		/* That with no gateway is IPv6's way to the host's end. */
		if (route->index != inner.index || route->protocol != HOST_PROTOCOL ||
		    !route->gateway.family || is_granted(policy, &route->destination))
			continue;
		if (route_delete(wiring->inside, route, err) < 0)
			return -1;
	}
	return 0;
}

int uplink_prune(const struct wiring *wiring, const char *name, const struct policy *policy,
		 struct error *err)
{
	bool found = false;
	struct link link;

	if (!policy->tunnel)
		return 0;
	if (link_find(wiring->host, name, &link, &found, err) < 0)
		return -1;
	if (!found)
		return 0;
	if (uplink_is_needed(policy))
		return prune_routes(wiring, policy, err);
	return link_delete(wiring->host, link.index, err);
}
