/*
 * Making a gateway, in the order in which it must be made: rules before links, links before
 * addresses are used, and the guest's wire last of all, when it is known to be watched.
 */
#include "network/gateway.h"

#include <fcntl.h>

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
#include "network/tunnel_link.h"
#include "network/uplink.h"
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
	gateway_link(TUNNEL_LINK, sandbox->uuid, gateway->tunnel);
	return netlink_open(&build->host, err);
}

/* A link that was made when its maker died, before it got its alias. */
static int clear_unnamed(struct build *build, struct error *err)
{
	const char *const names[] = {build->gateway->tap, build->gateway->control,
				     build->gateway->uplink, build->gateway->tunnel};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		bool found = false;
		struct link link;

		if (link_find(&build->host, names[i], &link, &found, err) < 0)
			return -1;
		/* A tap that is open is somebody's. A tunnel always has a carrier. */
		if (found && !*link.alias &&
		    (!link.carrier || names[i] == build->gateway->tunnel) &&
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

static struct wiring wiring_of(struct build *build)
{
	return (struct wiring){
		.host = &build->host,
		.inside = &build->inside,
		.netns = build->netns,
		.alias = build->gateway->netns,
		.block = &build->place.block,
	};
}

static int make_control(struct build *build, struct error *err)
{
	const struct address host = block_address(&build->place.block, BLOCK_CONTROL_HOST);
	const struct address own = block_address(&build->place.block, BLOCK_CONTROL);
	const struct wiring wiring = wiring_of(build);
	struct link outer, inner;

	if (wiring_pair(&wiring, build->gateway->control, INSIDE_CONTROL, BLOCK_CONTROL_HOST,
			&outer, &inner, err) < 0 ||
	    wiring_add_address(&build->host, &outer, &host, CONTROL_LENGTH, err) < 0 ||
	    wiring_add_address(&build->inside, &inner, &own, CONTROL_LENGTH, err) < 0 ||
	    wiring_bring_up(&build->host, &outer, err) < 0)
		return -1;
	return wiring_bring_up(&build->inside, &inner, err);
}

static int make_uplink(struct build *build, struct error *err)
{
	const struct wiring wiring = wiring_of(build);

	return uplink_open(&wiring, build->gateway->uplink, build->sandbox->policy, err);
}

static int make_uplink6(struct build *build, struct error *err)
{
	const struct gateway6 gateway = {
		.wiring = wiring_of(build),
		.uplink = build->gateway->uplink,
		.policy = build->sandbox->policy,
	};

	return build->sandbox->policy->ipv6 ? gateway6_open_uplink(&gateway, err) : 0;
}

static int make_tunnel(struct build *build, struct error *err)
{
	const struct wiring wiring = wiring_of(build);

	if (!build->sandbox->policy->tunnel)
		return 0;
	if (tunnel_link_check(build->sandbox, &build->place.pool, err) < 0)
		return -1;
	return tunnel_link_open(&wiring, build->sandbox, err);
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
	make_tunnel,	start_dnsmasq, make_tap,     remember,
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
		.wiring = {.inside = inside, .netns = netns},
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
	    wiring_add_address(&inside, &link, &sandbox->wire->gateway, sandbox->wire->length,
			       err) < 0 ||
	    link_neighbour_add(&inside, link.index, &sandbox->wire->guest,
			       &sandbox->wire->guest_mac, err) < 0 ||
	    (sandbox->policy->ipv6 && open_wire6(sandbox, tap, netns, &inside, err) < 0))
		return -1;
	return wiring_bring_up(&inside, &link, err);
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
