/*
 * One way to make an interface, whoever carries its packets: made, given its keys, named. Only then
 * is it worth being moved; until it has its alias it is cleared by its name (network/gateway.c).
 */
#include "tunnel/device.h"

#include "tunnel/program.h"
#include "tunnel/wg.h"

static int make_link(struct netlink *netlink, const struct tunnel_device *device, struct error *err)
{
	bool known = true;

	if (link_add_kind(netlink, device->link, "wireguard", &known, err) < 0)
		return -1;
	return known ? 0 : tunnel_program_start(device->owner, device->link, err);
}

int tunnel_device_make(struct netlink *netlink, const struct tunnel_device *device,
		       struct error *err)
{
	const struct link_change change = {.alias = device->owner, .mtu = device->mtu, .netns = -1};
	struct link link;

	if (make_link(netlink, device, err) < 0 ||
	    wg_configure(device->link, device->wireguard, err) < 0 ||
	    link_get(netlink, device->link, &link, err) < 0)
		return -1;
	return link_change(netlink, link.index, &change, err);
}
