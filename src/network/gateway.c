/*
 * Making a gateway, in the order in which it must be made: rules before links, links before
 * addresses are used, and the guest's wire last of all, when it is known to be watched.
 */
#include "network/gateway.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>

#include "base/file.h"
#include "base/netlink.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "network/block.h"
#include "network/dnsmasq.h"
#include "network/gateway6.h"
#include "network/host.h"
#include "network/netns.h"
#include "network/nft.h"
#include "network/place.h"
#include "network/rules.h"
#include "network/settings.h"
#include "network/ways.h"
#include "network/wire.h"

/* What is known while a gateway is being made. */
struct build {
	const struct sandbox *sandbox;
	struct gateway *gateway;
	struct netlink host;   /* in the host's namespace */
	struct netlink inside; /* in the gateway's */
	int netns;
	struct place place;
	struct prefix_list used;
};

static void build_done(struct build *build)
{
	netlink_close(&build->host);
	netlink_close(&build->inside);
	cleanup_close(&build->netns);
	prefix_list_done(&build->used);
	place_done(&build->place);
}

char *gateway_netns(const char *name)
{
	return text_format("migrant-%s", name);
}

void gateway_link(const char *prefix, const char *uuid, char link[IFNAMSIZ])
{
	snprintf(link, IFNAMSIZ, "%.3s%.8s", prefix, uuid);
}

/* The steps of prepare. */

static int name_things(struct build *build, struct error *err)
{
	const struct sandbox *sandbox = build->sandbox;
	struct gateway *gateway = build->gateway;

	snprintf(gateway->netns, sizeof(gateway->netns), "migrant-%s", sandbox->name);
	gateway_link(LINK_TAP, sandbox->uuid, gateway->tap);
	gateway_link(LINK_CONTROL, sandbox->uuid, gateway->control);
	gateway_link(LINK_UPLINK, sandbox->uuid, gateway->uplink);
	return netlink_open(&build->host, err);
}

/* A link that was made when its maker died, before it got its alias. */
static int clear_unnamed(struct build *build, struct error *err)
{
	const char *const names[] = {build->gateway->tap, build->gateway->control,
				     build->gateway->uplink};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		bool found = false;
		struct link link;

		if (link_find(&build->host, names[i], &link, &found, err) < 0)
			return -1;
		if (found && !*link.alias && !link.carrier &&
		    link_delete(&build->host, link.index, err) < 0)
			return -1;
	}
	return 0;
}

static int find_dnsmasq(struct build *build, struct error *err)
{
	return dnsmasq_user(&build->place.dnsmasq_user, &build->place.dnsmasq_uid, err);
}

static int make_host_side(struct build *build, struct error *err)
{
	struct prefix wanted;

	if (host_pool(&wanted, err) < 0)
		return -1;
	return host_ensure(&build->host, &wanted, &build->place.pool, err);
}

static int choose_addresses(struct build *build, struct error *err)
{
	struct place *place = &build->place;

	if (host_survey(&build->host, &place->pool, &build->used, &place->host, err) < 0 ||
	    block_find(&place->pool, &build->used, &place->block, err) < 0)
		return -1;
	build->gateway->control_address = block_address(&place->block, BLOCK_CONTROL);
	return place_store(place, build->sandbox->directory, err);
}

static int make_namespace(struct build *build, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;

	if (netns_create(build->gateway->netns, &build->netns, err) < 0 ||
	    netns_enter(&scope, build->netns, err) < 0)
		return -1;
	if (settings_apply_inside(err) < 0)
		return -1;
	return netlink_open(&build->inside, err);
}

static int load_rules(struct build *build, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	place_rules(&build->place, build->sandbox, false, &text);
	if (netns_enter(&scope, build->netns, err) < 0)
		return -1;
	return nft_load(strbuf_text(&text), err);
}

/* A veth pair with an alias that says whose it is, IPv6 off on the host's end, and sysctls inside.
 */
static int make_pair(struct build *build, const char *name, const char *peer, enum block_part part,
		     struct link *ret_outer, struct link *ret_inner, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	const struct link_change alias = {.alias = build->gateway->netns, .netns = -1};
	const struct address outer = block_address(&build->place.block, part);
	const struct address inner = block_address(&build->place.block, part + 1);
	const struct veth veth = {
		.name = name,
		.peer = peer,
		.mac = ways_mac(&outer),
		.peer_mac = ways_mac(&inner),
		.peer_netns = build->netns,
	};

	if (link_add_veth(&build->host, &veth, err) < 0 ||
	    link_get(&build->host, name, ret_outer, err) < 0 ||
	    link_change(&build->host, ret_outer->index, &alias, err) < 0 ||
	    settings_apply_link(name, err) < 0 ||
	    link_get(&build->inside, peer, ret_inner, err) < 0 ||
	    netns_enter(&scope, build->netns, err) < 0)
		return -1;
	return settings_apply_link(peer, err);
}

static int bring_up(struct netlink *netlink, const struct link *link, struct error *err)
{
	const struct link_change up = {.up = 1, .netns = -1};

	return link_change(netlink, link->index, &up, err);
}

static int add_address(struct netlink *netlink, const struct link *link,
		       const struct address *address, unsigned int length, struct error *err)
{
	const struct link_address own = {link->index, {*address, length}};

	return link_address_add(netlink, &own, err);
}

static int make_control(struct build *build, struct error *err)
{
	const struct address host = block_address(&build->place.block, BLOCK_CONTROL_HOST);
	const struct address own = block_address(&build->place.block, BLOCK_CONTROL);
	struct link outer, inner;

	if (make_pair(build, build->gateway->control, INSIDE_CONTROL, BLOCK_CONTROL_HOST, &outer,
		      &inner, err) < 0 ||
	    add_address(&build->host, &outer, &host, CONTROL_LENGTH, err) < 0 ||
	    add_address(&build->inside, &inner, &own, CONTROL_LENGTH, err) < 0 ||
	    bring_up(&build->host, &outer, err) < 0)
		return -1;
	return bring_up(&build->inside, &inner, err);
}

static int make_uplink(struct build *build, struct error *err)
{
	const struct address host = block_address(&build->place.block, BLOCK_UPLINK_HOST);
	const struct address guest = block_address(&build->place.block, BLOCK_UPLINK);
	const struct address dns = block_address(&build->place.block, BLOCK_UPLINK_DNS);
	const struct address granted = block_address(&build->place.block, BLOCK_UPLINK_GRANTED);
	struct link outer, inner;
	struct route route = {
		.gateway = host,
		.source = dns, /* what starts here is dnsmasq's; the guest's is translated */
		.table = RT_TABLE_MAIN,
		.type = RTN_UNICAST,
		.protocol = HOST_PROTOCOL,
		.scope = RT_SCOPE_UNIVERSE,
	};

	if (make_pair(build, build->gateway->uplink, INSIDE_UPLINK, BLOCK_UPLINK_HOST, &outer,
		      &inner, err) < 0 ||
	    ways_open(&build->host, build->gateway->uplink, &build->place.block, err) < 0 ||
	    add_address(&build->inside, &inner, &dns, UPLINK_LENGTH, err) < 0 ||
	    add_address(&build->inside, &inner, &guest, UPLINK_LENGTH, err) < 0 ||
	    add_address(&build->inside, &inner, &granted, UPLINK_LENGTH, err) < 0 ||
	    link_neighbour_add(&build->inside, inner.index, &host, &outer.mac, err) < 0 ||
	    bring_up(&build->inside, &inner, err) < 0)
		return -1;
	route.index = inner.index;
	return route_add(&build->inside, &route, err);
}

static int make_uplink6(struct build *build, struct error *err)
{
	const struct gateway6 gateway = {
		.host = &build->host,
		.inside = &build->inside,
		.netns = build->netns,
		.uplink = build->gateway->uplink,
		.block = &build->place.block,
	};

	return build->sandbox->policy->ipv6 ? gateway6_open_uplink(&gateway, err) : 0;
}

static int start_dnsmasq(struct build *build, struct error *err)
{
	_cleanup_free_ char *file = text_format("%s/dnsmasq.conf", build->sandbox->directory);
	_cleanup_free_ char *text = NULL;

	if (place_dnsmasq(&build->place, build->sandbox, &text, err) < 0 ||
	    file_replace(AT_FDCWD, file, text, strlen(text), 0600, err) < 0)
		return -1;
	return dnsmasq_start(build->netns, file, err);
}

static int make_tap(struct build *build, struct error *err)
{
	_cleanup_free_ char *ipv6 =
		text_format("net/ipv6/conf/%s/disable_ipv6", build->gateway->tap);
	struct link_change change = {.alias = build->gateway->netns, .netns = -1};
	struct mac mac;
	struct link tap;

	if (parse_mac(GATEWAY_MAC, &mac) < 0)
		abort();
	change.mac = &mac;
	if (link_add_tap(build->gateway->tap, err) < 0 ||
	    link_get(&build->host, build->gateway->tap, &tap, err) < 0 ||
	    settings_apply(ipv6, "1", err) < 0)
		return -1;
	return link_change(&build->host, tap.index, &change, err);
}

static int remember(struct build *build, struct error *err)
{
	return gateway_remember(build->sandbox->name, build->sandbox->directory, err);
}

static int (*const prepare_steps[])(struct build *build, struct error *err) = {
	name_things,	clear_unnamed, find_dnsmasq, make_host_side, choose_addresses,
	make_namespace, load_rules,    make_control, make_uplink,    make_uplink6,
	start_dnsmasq,	make_tap,      remember,
};

int gateway_prepare(const struct sandbox *sandbox, struct gateway *ret_gateway, struct error *err)
{
	struct gateway gateway = {0};
	_cleanup_(build_done) struct build build = {
		.sandbox = sandbox, .gateway = &gateway, .netns = -1};

	for (size_t i = 0; i < ARRAY_SIZE(prepare_steps); i++)
		if (prepare_steps[i](&build, err) < 0)
			return -1;
	*ret_gateway = gateway;
	return 0;
}

/* Start: the tap is open, nothing has run in the guest. */

static int open_wire6(const struct sandbox *sandbox, const char *tap, int netns,
		      struct netlink *inside, struct error *err)
{
	const struct gateway6 gateway = {
		.inside = inside,
		.netns = netns,
		.tap = tap,
		.guest_mac = &sandbox->wire->guest_mac,
	};

	return gateway6_open_wire(&gateway, err);
}

static int open_wire(const struct sandbox *sandbox, const char *tap, int netns, struct error *err)
{
	_cleanup_netlink_ struct netlink inside = NETLINK_INIT;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	const struct rules rules = {.tap = tap, .wire = sandbox->wire, .policy = sandbox->policy};
	struct link_change change = {.netns = -1};
	struct mac mac;
	struct link link;

	if (parse_mac(GATEWAY_MAC, &mac) < 0)
		abort();
	/* Once more: udev on the host may have been at work on the new tap when we set it first. */
	change.mac = &mac;
	rules_wire(&rules, &text);
	if (netlink_open(&inside, err) < 0 || link_get(&inside, tap, &link, err) < 0 ||
	    link_change(&inside, link.index, &change, err) < 0 ||
	    settings_apply_link(tap, err) < 0 || nft_load(strbuf_text(&text), err) < 0 ||
	    add_address(&inside, &link, &sandbox->wire->gateway, sandbox->wire->length, err) < 0 ||
	    link_neighbour_add(&inside, link.index, &sandbox->wire->guest,
			       &sandbox->wire->guest_mac, err) < 0 ||
	    (sandbox->policy->ipv6 && open_wire6(sandbox, tap, netns, &inside, err) < 0))
		return -1;
	return bring_up(&inside, &link, err);
}

static int move_tap(const char *tap, int netns, struct error *err)
{
	_cleanup_netlink_ struct netlink host = NETLINK_INIT;
	const struct link_change move = {.netns = netns};
	struct link link;

	if (netlink_open(&host, err) < 0 || link_get(&host, tap, &link, err) < 0)
		return -1;
	return link_change(&host, link.index, &move, err);
}

int gateway_start(const struct sandbox *sandbox, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	_cleanup_free_ char *name = gateway_netns(sandbox->name);
	_cleanup_close_ int netns = -1;
	char tap[IFNAMSIZ];

	gateway_link(LINK_TAP, sandbox->uuid, tap);
	if (netns_open(name, &netns, err) < 0)
		return -1;
	if (netns < 0)
		return error_set(err, EX_SOFTWARE, "the gateway of %s was not prepared",
				 sandbox->name);
	if (move_tap(tap, netns, err) < 0 || netns_enter(&scope, netns, err) < 0 ||
	    open_wire(sandbox, tap, netns, err) < 0)
		return -1;
	netns_leave(&scope);
	return gateway_remember(sandbox->name, sandbox->directory, err);
}
