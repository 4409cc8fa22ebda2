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

static int add_address(struct netlink *netlink, const struct link *link,
		       const struct address *address, unsigned int length, struct error *err)
{
	const struct link_address own = {link->index, {*address, length}};

	return link_address_add(netlink, &own, err);
}

/* The way from the host to the gateway, found by mark only. */
static int open_outer(const struct gateway6 *gateway, const struct link *outer,
		      const struct link *inner, struct error *err)
{
	const struct address own = block_address6(gateway->block, BLOCK_UPLINK_HOST);

	if (settings_open_link6(outer->name, err) < 0 ||
	    add_address(gateway->host, outer, &own, 128, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(inner_parts); i++) {
		const struct address address = block_address6(gateway->block, inner_parts[i]);
		const struct route route = {
			.destination = alone(&address),
			.source = own,
			.index = outer->index,
			.table = HOST_TABLE,
			.type = RTN_UNICAST,
			.protocol = HOST_PROTOCOL,
			.scope = RT_SCOPE_LINK,
		};

		if (link_neighbour_add(gateway->host, outer->index, &address, &inner->mac, err) <
			    0 ||
		    route_add(gateway->host, &route, err) < 0)
			return -1;
	}
	return 0;
}

/* The way from the gateway to the host, and by it to everywhere. */
static int open_inner(const struct gateway6 *gateway, const struct link *inner,
		      const struct link *outer, struct error *err)
{
	const struct address host = block_address6(gateway->block, BLOCK_UPLINK_HOST);
	struct route route = {
		.destination = alone(&host),
		.index = inner->index,
		.table = RT_TABLE_MAIN,
		.type = RTN_UNICAST,
		.protocol = HOST_PROTOCOL,
		.scope = RT_SCOPE_LINK,
	};

	for (size_t i = 0; i < ARRAY_SIZE(inner_parts); i++) {
		const struct address address = block_address6(gateway->block, inner_parts[i]);

		if (add_address(gateway->inside, inner, &address, 128, err) < 0)
			return -1;
	}
	if (link_neighbour_add(gateway->inside, inner->index, &host, &outer->mac, err) < 0 ||
	    route_add(gateway->inside, &route, err) < 0)
		return -1;
	route.destination.length = 0;
	route.gateway = host;
	/* What starts here is dnsmasq's; the guest's is translated. */
	route.source = block_address6(gateway->block, BLOCK_UPLINK_DNS);
	return route_add(gateway->inside, &route, err);
}

int gateway6_open_uplink(const struct gateway6 *gateway, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	struct link outer, inner;

	if (host6_ensure(gateway->host, err) < 0 ||
	    link_get(gateway->host, gateway->uplink, &outer, err) < 0 ||
	    link_get(gateway->inside, INSIDE_UPLINK, &inner, err) < 0 ||
	    open_outer(gateway, &outer, &inner, err) < 0 ||
	    netns_enter(&scope, gateway->netns, err) < 0 || settings_open_inside6(err) < 0 ||
	    settings_open_link6(INSIDE_UPLINK, err) < 0)
		return -1;
	return open_inner(gateway, &inner, &outer, err);
}

int gateway6_open_wire(const struct gateway6 *gateway, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	const struct address link = parsed(WIRE6_LINK), own = parsed(WIRE6_GATEWAY);
	const struct address guest = parsed(WIRE6_GUEST);
	struct link tap;

	if (link_get(gateway->inside, gateway->tap, &tap, err) < 0 ||
	    netns_enter(&scope, gateway->netns, err) < 0 ||
	    settings_open_link6(gateway->tap, err) < 0 ||
	    add_address(gateway->inside, &tap, &link, WIRE6_LENGTH, err) < 0 ||
	    add_address(gateway->inside, &tap, &own, WIRE6_LENGTH, err) < 0)
		return -1;
	return link_neighbour_add(gateway->inside, tap.index, &guest, gateway->guest_mac, err);
}

int gateway6_close(const struct gateway6 *gateway, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;

	if (settings_close_link6(gateway->uplink, err) < 0 ||
	    netns_enter(&scope, gateway->netns, err) < 0 ||
	    settings_close_link6(gateway->tap, err) < 0 ||
	    settings_close_link6(INSIDE_UPLINK, err) < 0 || settings_close_inside6(err) < 0)
		return -1;
	netns_leave(&scope);
	return host6_remove(gateway->host, err);
}
