/*
 * IPv6 on a gateway's links. Without `ipv6: nat` it is disabled on each of them, and the kernel
 * drops every IPv6 packet before anything looks at it; disabling it again also takes addresses,
 * routes and neighbours away.
 *
 * Both ends of the uplink know each other for good, as in IPv4, so that no neighbour discovery is
 * needed there and none is allowed. No link has an address but the ones given here.
 */
#include "network/gateway6.h"

#include <linux/rtnetlink.h>

#include "base/text.h"
#include "network/block.h"
#include "network/host.h"
#include "network/host6.h"
#include "network/netns.h"
#include "network/rules.h"
#include "network/settings.h"
#include "network/uplink.h"
#include "network/wire.h"

static const enum block_part inner_parts[] = {BLOCK_UPLINK_DNS, BLOCK_UPLINK, BLOCK_UPLINK_GRANTED};

static struct address parsed(const char *text)
{
	struct address address;

	if (parse_address(text, &address) < 0)
		abort();
	return address;
}

static struct prefix alone(const struct address *address)
{
	return (struct prefix){*address, 128};
}

/* The way from the host to the gateway, found by mark only. */
static int open_outer(const struct gateway6 *gateway, const struct link *outer,
		      const struct link *inner, struct error *err)
{
	const struct address own = block_address6(gateway->wiring.block, BLOCK_UPLINK_HOST);

	if (settings_open_link6(outer->name, err) < 0 ||
	    wiring_add_address(gateway->wiring.host, outer, &own, 128, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(inner_parts); i++) {
		const struct address address =
			block_address6(gateway->wiring.block, inner_parts[i]);
		const struct route route = {
			.destination = alone(&address),
			.source = own,
			.index = outer->index,
			.table = HOST_TABLE,
			.type = RTN_UNICAST,
			.protocol = HOST_PROTOCOL,
			.scope = RT_SCOPE_LINK,
		};

		if (link_neighbour_add(gateway->wiring.host, outer->index, &address, &inner->mac,
				       err) < 0 ||
		    route_add(gateway->wiring.host, &route, err) < 0)
			return -1;
	}
	return 0;
}

/* The way from the gateway to the host, and by it to everywhere. */
static int open_inner(const struct gateway6 *gateway, struct error *err)
{
	const struct address host = block_address6(gateway->wiring.block, BLOCK_UPLINK_HOST);
	struct route route = {
		.destination = alone(&host),
		.table = RT_TABLE_MAIN,
		.type = RTN_UNICAST,
		.protocol = HOST_PROTOCOL,
		.scope = RT_SCOPE_LINK,
	};

	struct link outer, inner;

	if (link_get(gateway->wiring.host, gateway->uplink, &outer, err) < 0 ||
	    link_get(gateway->wiring.inside, INSIDE_UPLINK, &inner, err) < 0)
		return -1;
	route.index = inner.index;
	/* With a tunnel nothing leaves here but what was granted. */
	for (size_t i = gateway->policy->tunnel ? ARRAY_SIZE(inner_parts) - 1 : 0;
	     i < ARRAY_SIZE(inner_parts); i++) {
		const struct address address =
			block_address6(gateway->wiring.block, inner_parts[i]);

		if (wiring_add_address(gateway->wiring.inside, &inner, &address, 128, err) < 0)
			return -1;
	}
	if (link_neighbour_add(gateway->wiring.inside, inner.index, &host, &outer.mac, err) < 0 ||
	    route_add(gateway->wiring.inside, &route, err) < 0)
		return -1;
	return uplink_open_ways(&gateway->wiring, gateway->policy, AF_INET6, err);
}

int gateway6_open_outside(const struct gateway6 *gateway, struct error *err)
{
	struct link outer, inner;

	if (host6_ensure(gateway->wiring.host, err) < 0 ||
	    link_get(gateway->wiring.host, gateway->uplink, &outer, err) < 0 ||
	    link_get(gateway->wiring.inside, INSIDE_UPLINK, &inner, err) < 0)
		return -1;
	return open_outer(gateway, &outer, &inner, err);
}

int gateway6_open_uplink(const struct gateway6 *gateway, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	const bool uplink = uplink_is_needed(gateway->policy);

	if ((uplink && gateway6_open_outside(gateway, err) < 0) ||
	    netns_enter(&scope, gateway->wiring.netns, err) < 0 || settings_open_inside6(err) < 0)
		return -1;
	if (!uplink)
		return 0;
	return settings_open_link6(INSIDE_UPLINK, err) < 0 ? -1 : open_inner(gateway, err);
}

int gateway6_open_wire(const struct gateway6 *gateway, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	const struct address link = parsed(WIRE6_LINK), own = parsed(WIRE6_GATEWAY);
	const struct address guest = parsed(WIRE6_GUEST);
	struct link tap;

	if (link_get(gateway->wiring.inside, gateway->tap, &tap, err) < 0 ||
	    netns_enter(&scope, gateway->wiring.netns, err) < 0 ||
	    settings_open_link6(gateway->tap, err) < 0 ||
	    wiring_add_address(gateway->wiring.inside, &tap, &link, WIRE6_LENGTH, err) < 0 ||
	    wiring_add_address(gateway->wiring.inside, &tap, &own, WIRE6_LENGTH, err) < 0)
		return -1;
	return link_neighbour_add(gateway->wiring.inside, tap.index, &guest, gateway->guest_mac,
				  err);
}

int gateway6_close(const struct gateway6 *gateway, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;

	if (settings_close_link6(gateway->uplink, err) < 0 ||
	    netns_enter(&scope, gateway->wiring.netns, err) < 0 ||
	    settings_close_link6(gateway->tap, err) < 0 ||
	    settings_close_link6(INSIDE_UPLINK, err) < 0 ||
	    settings_close_link6(gateway->tunnel, err) < 0 || settings_close_inside6(err) < 0)
		return -1;
	netns_leave(&scope);
	return host6_remove(gateway->wiring.host, err);
}
