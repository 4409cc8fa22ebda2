/*
 * The parts that every link of a gateway is made of, whichever it is.
 */
#include "network/wiring.h"

#include "network/netns.h"
#include "network/settings.h"
#include "network/ways.h"

int wiring_pair(const struct wiring *wiring, const char *name, const char *peer,
		enum block_part part, struct link *ret_outer, struct link *ret_inner,
		struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	const struct link_change alias = {.alias = wiring->alias, .netns = -1};
	const struct address outer = block_address(wiring->block, part);
	const struct address inner = block_address(wiring->block, part + 1);
	const struct veth veth = {
		.name = name,
		.peer = peer,
		.mac = ways_mac(&outer),
		.peer_mac = ways_mac(&inner),
		.peer_netns = wiring->netns,
	};

	if (link_add_veth(wiring->host, &veth, err) < 0 ||
	    link_get(wiring->host, name, ret_outer, err) < 0 ||
	    link_change(wiring->host, ret_outer->index, &alias, err) < 0 ||
	    settings_apply_link(name, err) < 0 ||
	    link_get(wiring->inside, peer, ret_inner, err) < 0 ||
	    netns_enter(&scope, wiring->netns, err) < 0)
		return -1;
	return settings_apply_link(peer, err);
}

int wiring_bring_up(struct netlink *netlink, const struct link *link, struct error *err)
{
	const struct link_change up = {.up = 1, .netns = -1};

	return link_change(netlink, link->index, &up, err);
}

int wiring_add_address(struct netlink *netlink, const struct link *link,
		       const struct address *address, unsigned int length, struct error *err)
{
	const struct link_address own = {link->index, {*address, length}};

	return link_address_add(netlink, &own, err);
}
