/*
 * The interface is made on the host and moved: its encrypted packets go on leaving from there, and
 * what goes into it can only come from the gateway. It never is up on the host, where it has no
 * address and no route. Routes are those of AllowedIPs; when the interface goes they go with it,
 * and the guest has no way out.
 */
#include "network/tunnel_link.h"

#include <linux/rtnetlink.h>

#include "network/block.h"
#include "network/host.h"
#include "network/netns.h"
#include "network/rules.h"
#include "network/settings.h"
#include "network/wire.h"
#include "tunnel/device.h"
#include "tunnel/program.h"

#define SANDBOXES6 "fd6d:6967:7261::/48" /* BLOCK_POOL6 and the wire */

/* Whether all of @prefix lies where a sandbox's own links are. */
static bool is_own(const struct sandbox *sandbox, const struct prefix *pool,
		   const struct prefix *prefix)
{
	struct prefix own[] = {wire_prefix(sandbox->wire), *pool, {{0}, 0}};

	if (parse_prefix(SANDBOXES6, &own[2]) < 0)
		abort();
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (prefix->length >= own[i].length && prefix_contains(&own[i], &prefix->address))
			return true;
	return false;
}

static int check_own(const struct sandbox *sandbox, const struct prefix *pool,
		     const struct prefix *prefix, const char *what, struct error *err)
{
	char text[PREFIX_TEXT_MAX];

	if (!is_own(sandbox, pool, prefix))
		return 0;
	return error_set(err, EX_DATAERR, "the tunnel's %s %s is one of the sandbox's own links",
			 what, prefix_format(prefix, text));
}

static int check_resolver(const struct sandbox *sandbox, const struct prefix *pool,
			  const struct address *resolver, struct error *err)
{
	const struct prefix alone = {*resolver, address_size(resolver) * 8};
	const struct policy *policy = sandbox->policy;
	char text[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < policy->grant_count; i++) {
		const struct policy_grant *grant = &policy->grants[i];

		if (grant->kind != GRANT_HOST && !grant->via_tunnel &&
		    address_equal(&grant->address, resolver))
			return error_set(err, EX_DATAERR,
					 "%s is asked for names through the tunnel, and cannot be "
					 "allowed outside of it",
					 address_format(resolver, text));
	}
	return check_own(sandbox, pool, &alone, "resolver", err);
}

int tunnel_link_check(const struct sandbox *sandbox, const struct prefix *pool, struct error *err)
{
	struct address resolvers[RULES_RESOLVERS_MAX];
	size_t count = rules_resolvers(sandbox->policy, sandbox->tunnel, resolvers);

	for (size_t i = 0; i < sandbox->tunnel->address_count; i++)
		if (check_own(sandbox, pool, &sandbox->tunnel->addresses[i], "address", err) < 0)
			return -1;
	for (size_t i = 0; i < sandbox->wireguard->allowed_count; i++)
		if (check_own(sandbox, pool, &sandbox->wireguard->allowed[i].prefix, "AllowedIPs",
			      err) < 0)
			return -1;
	for (size_t i = 0; i < count; i++)
		if (check_resolver(sandbox, pool, &resolvers[i], err) < 0)
			return -1;
	return 0;
}

/* Making it. */

static int move_inside(const struct wiring *wiring, const char *name, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	const struct link_change move = {.netns = wiring->netns};
	struct link link;

	if (link_get(wiring->host, name, &link, err) < 0 ||
	    link_change(wiring->host, link.index, &move, err) < 0 ||
	    netns_enter(&scope, wiring->netns, err) < 0)
		return -1;
	return settings_apply_link(name, err);
}

static int make(const struct wiring *wiring, const struct sandbox *sandbox, const char *name,
		struct error *err)
{
	const struct tunnel_device device = {
		.owner = wiring->alias,
		.link = name,
		.mtu = sandbox->tunnel->mtu,
		.wireguard = sandbox->wireguard,
	};

	/* One that is about to end would take the new one's socket along. */
	if (tunnel_program_end(wiring->alias, err) < 0 ||
	    tunnel_device_make(wiring->host, &device, err) < 0)
		return -1;
	return move_inside(wiring, name, err);
}

/* What it leads to. */

static int add_addresses(const struct wiring *wiring, const struct sandbox *sandbox,
			 const struct link *link, int family, struct error *err)
{
	const struct tunnel *tunnel = sandbox->tunnel;

	/* Each alone: what its network is AllowedIPs says. */
	for (size_t i = 0; i < tunnel->address_count; i++) {
		const struct address *address = &tunnel->addresses[i].address;

		if (address->family == family &&
		    wiring_add_address(wiring->inside, link, address, address_size(address) * 8,
				       err) < 0)
			return -1;
	}
	return 0;
}

static int add_routes(const struct wiring *wiring, const struct sandbox *sandbox,
		      const struct link *link, int family, struct error *err)
{
	const struct wireguard *wireguard = sandbox->wireguard;
	struct route route = {
		.source = *tunnel_address(sandbox->tunnel, family),
		.index = link->index,
		.table = RT_TABLE_MAIN,
		.type = RTN_UNICAST,
		.protocol = HOST_PROTOCOL,
		.scope = RT_SCOPE_LINK,
	};

	for (size_t i = 0; i < wireguard->allowed_count; i++) {
		route.destination = wireguard->allowed[i].prefix;
		if (route.destination.address.family == family &&
		    route_add(wiring->inside, &route, err) < 0)
			return -1;
	}
	return 0;
}

static int open_ipv6(const struct wiring *wiring, const char *name, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;

	if (netns_enter(&scope, wiring->netns, err) < 0)
		return -1;
	return settings_open_link6(name, err);
}

static int open_family(const struct wiring *wiring, const struct sandbox *sandbox,
		       const struct link *link, int family, struct error *err)
{
	if (!tunnel_address(sandbox->tunnel, family))
		return 0;
	if (family == AF_INET6 && open_ipv6(wiring, link->name, err) < 0)
		return -1;
	if (add_addresses(wiring, sandbox, link, family, err) < 0)
		return -1;
	return add_routes(wiring, sandbox, link, family, err);
}

int tunnel_link_restore(const struct wiring *wiring, const struct sandbox *sandbox,
			struct error *err)
{
	char name[IFNAMSIZ];
	bool found = false;
	struct link link;

	gateway_link(TUNNEL_LINK, sandbox->uuid, name);
	if (link_find(wiring->inside, name, &link, &found, err) < 0 ||
	    (!found && make(wiring, sandbox, name, err) < 0) ||
	    link_get(wiring->inside, name, &link, err) < 0 ||
	    wiring_bring_up(wiring->inside, &link, err) < 0)
		return -1;
	return open_family(wiring, sandbox, &link, AF_INET, err);
}

int tunnel_link_open(const struct wiring *wiring, const struct sandbox *sandbox, struct error *err)
{
	char name[IFNAMSIZ];
	struct link link;

	gateway_link(TUNNEL_LINK, sandbox->uuid, name);
	if (tunnel_link_restore(wiring, sandbox, err) < 0)
		return -1;
	if (!sandbox->policy->ipv6)
		return 0;
	return link_get(wiring->inside, name, &link, err) < 0
		       ? -1
		       : open_family(wiring, sandbox, &link, AF_INET6, err);
}
