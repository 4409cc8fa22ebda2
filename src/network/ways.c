/*
 * What leads from the host to a gateway is in the host's hands: a manager of networks that takes
 * away what it has not made (systemd-networkd does) cuts a sandbox off. That opens nothing, so it
 * does not end the guest as a change inside the gateway would. It is told and mended.
 */
#include "network/ways.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>

#include "base/file.h"
#include "base/text.h"
#include "network/block.h"
#include "network/gateway6.h"
#include "network/host.h"
#include "network/netns.h"
#include "network/place.h"
#include "network/rules.h"
#include "network/settings.h"

#define STATE_FILE_MAX (4 * 1024 * 1024)

struct mac ways_mac(const struct address *address)
{
	struct mac mac = {.octet = {0x02, 0x6d}};

	memcpy(mac.octet + 2, &address->v4, sizeof(address->v4));
	return mac;
}

/* By mark only are the uplink's addresses found, and so ARP would find nothing: the neighbours are
 * known for good. */
static int open_neighbours(struct netlink *host, int index, const struct prefix *block,
			   struct error *err)
{
	static const enum block_part inside[] = {BLOCK_UPLINK, BLOCK_UPLINK_DNS,
						 BLOCK_UPLINK_GRANTED};
	const struct address first = block_address(block, BLOCK_UPLINK);
	const struct mac mac = ways_mac(&first);

	for (size_t i = 0; i < ARRAY_SIZE(inside); i++) {
		const struct address address = block_address(block, inside[i]);

		if (link_neighbour_add(host, index, &address, &mac, err) < 0)
			return -1;
	}
	return 0;
}

int ways_open(struct netlink *host, const char *name, const struct prefix *block, struct error *err)
{
	const struct address own = block_address(block, BLOCK_UPLINK_HOST);
	const struct link_change up = {.up = 1, .netns = -1};
	_cleanup_free_ char *validate = text_format("net/ipv4/conf/%s/src_valid_mark", name);
	struct link_address address = {.prefix = {own, 32}};
	struct route route = {
		.destination = block_network(block, BLOCK_UPLINK),
		.source = own,
		.table = HOST_TABLE,
		.type = RTN_UNICAST,
		.protocol = HOST_PROTOCOL,
		.scope = RT_SCOPE_LINK,
	};
	struct link link;

	if (link_get(host, name, &link, err) < 0)
		return -1;
	address.index = route.index = link.index;
	if (settings_apply(validate, "1", err) < 0 || link_address_add(host, &address, err) < 0 ||
	    link_change(host, link.index, &up, err) < 0 || route_add(host, &route, err) < 0)
		return -1;
	return open_neighbours(host, link.index, block, err);
}

/* Describing. */

static const struct link *link_of(const struct link *links, size_t count, const char *alias,
				  int index)
{
	for (size_t i = 0; i < count; i++)
		if (links[i].index == index && text_equal(links[i].alias, alias))
			return &links[i];
	return NULL;
}

static int describe_addresses(struct netlink *host, const struct link *links, size_t count,
			      const char *alias, struct strbuf *output, struct error *err)
{
	_cleanup_free_ struct link_address *addresses = NULL;
	size_t address_count = 0;
	char text[PREFIX_TEXT_MAX];

	if (link_address_list(host, &addresses, &address_count, err) < 0)
		return -1;
	for (size_t i = 0; i < address_count; i++) {
		const struct link *link = link_of(links, count, alias, addresses[i].index);

		if (link)
			strbuf_addf(output, "address %s dev %s\n",
				    prefix_format(&addresses[i].prefix, text), link->name);
	}
	return 0;
}

static int describe_routes(struct netlink *host, const struct link *links, size_t count,
			   const char *alias, struct strbuf *output, struct error *err)
{
	_cleanup_free_ struct route *routes = NULL;
	size_t route_count = 0;
	char text[PREFIX_TEXT_MAX];

	if (route_list(host, &routes, &route_count, err) < 0)
		return -1;
	for (size_t i = 0; i < route_count; i++) {
		const struct link *link = link_of(links, count, alias, routes[i].index);

		if (link && routes[i].protocol != RTPROT_KERNEL)
			strbuf_addf(output, "route %s dev %s table %u\n",
				    prefix_format(&routes[i].destination, text), link->name,
				    routes[i].table);
	}
	return 0;
}

int ways_describe(struct netlink *host, const char *alias, struct strbuf *output, struct error *err)
{
	_cleanup_free_ struct link *links = NULL;
	size_t count = 0;

	if (link_list(host, &links, &count, err) < 0 ||
	    describe_addresses(host, links, count, alias, output, err) < 0)
		return -1;
	return describe_routes(host, links, count, alias, output, err);
}

/* Repairing. */

static int find_uplink(struct netlink *host, const char *alias, char name[IFNAMSIZ],
		       struct error *err)
{
	_cleanup_free_ struct link *links = NULL;
	size_t count = 0;

	if (link_list(host, &links, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (text_starts(links[i].name, LINK_UPLINK) && text_equal(links[i].alias, alias)) {
			memcpy(name, links[i].name, IFNAMSIZ);
			return 0;
		}
	}
	*name = '\0';
	return 0;
}

/* A gateway with a tunnel may never have had one. */
static int require_none(const char *alias, const char *directory, struct error *err)
{
	_cleanup_free_ char *path = text_format("%s/outside", directory);
	_cleanup_free_ char *outside = NULL;

	if (file_read(AT_FDCWD, path, STATE_FILE_MAX, &outside, NULL, err) < 0)
		return -1;
	if (!strstr(outside, "link " LINK_UPLINK))
		return 0;
	return error_set(err, EX_OSERR, "the uplink of %s is gone", alias);
}

static bool has_ipv6(const char *link)
{
	_cleanup_free_ char *path = text_format("net/ipv6/conf/%s/disable_ipv6", link);
	char value[16];

	return sysctl_read(path, value, sizeof(value)) == 0 && text_equal(value, "0");
}

static int repair_ipv6(struct netlink *host, const char *uplink, int netns,
		       const struct prefix *block, struct error *err)
{
	_cleanup_netlink_ struct netlink inside = NETLINK_INIT;
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	const struct gateway6 gateway = {
		.wiring = {.host = host, .inside = &inside, .netns = netns, .block = block},
		.uplink = uplink,
	};

	if (netns_enter(&scope, netns, err) < 0 || netlink_open(&inside, err) < 0)
		return -1;
	netns_leave(&scope);
	return gateway6_open_outside(&gateway, err);
}

int ways_repair(struct netlink *host, const char *alias, int netns, const char *directory,
		struct error *err)
{
	_cleanup_(place_done) struct place place = {0};
	char uplink[IFNAMSIZ];

	if (place_load(directory, &place, err) < 0 || find_uplink(host, alias, uplink, err) < 0)
		return -1;
	if (!*uplink)
		return require_none(alias, directory, err);
	if (ways_open(host, uplink, &place.block, err) < 0)
		return -1;
	return has_ipv6(uplink) ? repair_ipv6(host, uplink, netns, &place.block, err) : 0;
}
