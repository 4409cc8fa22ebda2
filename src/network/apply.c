/*
 * Another policy for a gateway that is in use. Everything is rendered before anything is loaded,
 * the rules change in one transaction, and dnsmasq follows: whatever it still asks in between, the
 * new rules have judged already.
 */
#include <fcntl.h>

#include "base/file.h"
#include "base/netlink.h"
#include "base/text.h"
#include "network/dnsmasq.h"
#include "network/gateway.h"
#include "network/gateway6.h"
#include "network/host.h"
#include "network/netns.h"
#include "network/nft.h"
#include "network/place.h"
#include "network/tunnel_link.h"
#include "network/uplink.h"

#define CONFIG_MAX (4 * 1024 * 1024)

struct change {
	const struct sandbox *sandbox;
	char *name; /* of the namespace */
	struct place place;
	struct netlink host, inside;
	int netns;
	struct strbuf rules;
	char *dnsmasq;
};

static void change_done(struct change *change)
{
	place_done(&change->place);
	netlink_close(&change->host);
	netlink_close(&change->inside);
	free(change->name);
	cleanup_close(&change->netns);
	strbuf_done(&change->rules);
	free(change->dnsmasq);
}

/* The namespace, with the guest's wire in it. */
static int open_gateway(struct change *change, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	char tap[IFNAMSIZ];
	struct link link;
	bool found = false;

	gateway_link(LINK_TAP, change->sandbox->uuid, tap);
	change->name = gateway_netns(change->sandbox->name);
	if (netns_open(change->name, &change->netns, err) < 0 ||
	    netlink_open(&change->host, err) < 0)
		return -1;
	if (change->netns < 0)
		return error_set(err, EX_NOINPUT, "the namespace %s is gone", change->name);
	if (netns_enter(&scope, change->netns, err) < 0 || netlink_open(&change->inside, err) < 0 ||
	    link_find(&change->inside, tap, &link, &found, err) < 0)
		return -1;
	return found ? 0
		     : error_set(err, EX_NOINPUT, "the guest's wire is not in %s", change->name);
}

/* The host's side as it should be, and what the host is and has by now. */
static int look_around(struct change *change, struct error *err)
{
	struct place *place = &change->place;
	struct prefix pool;

	if (place_load(change->sandbox->directory, place, err) < 0 ||
	    host_ensure(&change->host, &place->pool, &pool, err) < 0 ||
	    host_survey(&change->host, &place->pool, NULL, &place->host, err) < 0)
		return -1;
	return dnsmasq_user(&place->dnsmasq_user, &place->dnsmasq_uid, err);
}

static int render(struct change *change, struct error *err)
{
	strbuf_add_text(&change->rules, "flush ruleset\n");
	place_rules(&change->place, change->sandbox, true, &change->rules);
	return place_dnsmasq(&change->place, change->sandbox, &change->dnsmasq, err);
}

static struct wiring wiring_of(struct change *change)
{
	return (struct wiring){
		.host = &change->host,
		.inside = &change->inside,
		.netns = change->netns,
		.alias = change->name,
		.block = &change->place.block,
	};
}

/*
 * IPv6 on the links follows the policy as well: on before the rules that let it pass, off after
 * those that do not. Rules that know no IPv6 drop it.
 */
static int switch_ipv6(struct change *change, bool on, struct error *err)
{
	char tap[IFNAMSIZ], uplink[IFNAMSIZ], tunnel[IFNAMSIZ];
	const struct gateway6 gateway = {
		.wiring = wiring_of(change),
		.uplink = uplink,
		.tap = tap,
		.tunnel = tunnel,
		.guest_mac = &change->sandbox->wire->guest_mac,
		.policy = change->sandbox->policy,
	};

	gateway_link(LINK_TAP, change->sandbox->uuid, tap);
	gateway_link(LINK_UPLINK, change->sandbox->uuid, uplink);
	gateway_link(TUNNEL_LINK, change->sandbox->uuid, tunnel);
	if (!on)
		return gateway6_close(&gateway, err);
	if (gateway6_open_uplink(&gateway, err) < 0)
		return -1;
	return gateway6_open_wire(&gateway, err);
}

/* As it was made, before anything is compared with that. */
static int restore_tunnel(struct change *change, struct error *err)
{
	const struct wiring wiring = wiring_of(change);

	if (!change->sandbox->policy->tunnel)
		return 0;
	if (tunnel_link_check(change->sandbox, &change->place.pool, err) < 0)
		return -1;
	return tunnel_link_restore(&wiring, change->sandbox, err);
}

/* What the new rules need: a way that is there early leads nowhere yet. */
static int open_ways(struct change *change, struct error *err)
{
	const struct wiring wiring = wiring_of(change);
	char uplink[IFNAMSIZ];

	gateway_link(LINK_UPLINK, change->sandbox->uuid, uplink);
	if (change->sandbox->policy->tunnel &&
	    uplink_open(&wiring, uplink, change->sandbox->policy, err) < 0)
		return -1;
	if (change->sandbox->policy->ipv6 && switch_ipv6(change, true, err) < 0)
		return -1;
	return change->sandbox->policy->tunnel ? tunnel_link_open(&wiring, change->sandbox, err)
					       : 0;
}

/* And what they do not need any more. */
static int prune_ways(struct change *change, struct error *err)
{
	const struct wiring wiring = wiring_of(change);
	char uplink[IFNAMSIZ];

	gateway_link(LINK_UPLINK, change->sandbox->uuid, uplink);
	if (!change->sandbox->policy->ipv6 && switch_ipv6(change, false, err) < 0)
		return -1;
	return uplink_prune(&wiring, uplink, change->sandbox->policy, err);
}

static int load(struct change *change, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;

	if (netns_enter(&scope, change->netns, err) < 0)
		return -1;
	return nft_load(strbuf_text(&change->rules), err);
}

static int restart_dnsmasq(struct change *change, struct error *err)
{
	_cleanup_free_ char *file = text_format("%s/dnsmasq.conf", change->sandbox->directory);
	_cleanup_error_ struct error reading = ERROR_INIT;
	_cleanup_free_ char *old = NULL;

	if (file_read(AT_FDCWD, file, CONFIG_MAX, &old, NULL, &reading) == 0 &&
	    text_equal(old, change->dnsmasq))
		return 0;
	/* In this order: a file that is new says that no dnsmasq works with the old one. */
	if (dnsmasq_stop(file, err) < 0 ||
	    file_replace(AT_FDCWD, file, change->dnsmasq, strlen(change->dnsmasq), 0600, err) < 0)
		return -1;
	return dnsmasq_start(change->netns, file, err);
}

int gateway_apply(const struct sandbox *sandbox, struct error *err)
{
	_cleanup_(change_done) struct change change = {
		.sandbox = sandbox, .netns = -1, .rules = STRBUF_INIT};
	bool links_whole = false;

	if (open_gateway(&change, err) < 0 || look_around(&change, err) < 0 ||
	    render(&change, err) < 0 || restore_tunnel(&change, err) < 0 ||
	    gateway_links_whole(sandbox->name, sandbox->directory, &links_whole, err) < 0 ||
	    open_ways(&change, err) < 0 || load(&change, err) < 0 || prune_ways(&change, err) < 0 ||
	    restart_dnsmasq(&change, err) < 0)
		return -1;
	/* What else has changed since the start must not become how it should be. */
	if (links_whole)
		return gateway_remember(sandbox->name, sandbox->directory, err);
	return gateway_remember_rules(sandbox->name, sandbox->directory, err);
}

int gateway_repair_tunnel(const struct sandbox *sandbox, struct error *err)
{
	_cleanup_(change_done) struct change change = {
		.sandbox = sandbox, .netns = -1, .rules = STRBUF_INIT};
	char name[IFNAMSIZ];
	struct wiring wiring;
	bool found = false;
	struct link link;

	if (!sandbox->policy->tunnel)
		return 0;
	gateway_link(TUNNEL_LINK, sandbox->uuid, name);
	if (open_gateway(&change, err) < 0 ||
	    place_load(sandbox->directory, &change.place, err) < 0 ||
	    link_find(&change.inside, name, &link, &found, err) < 0)
		return -1;
	wiring = wiring_of(&change);
	/* What has changed on one that is there is not ours to explain. */
	return found ? 0 : tunnel_link_open(&wiring, sandbox, err);
}
