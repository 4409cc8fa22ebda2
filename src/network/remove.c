/*
 * Taking a gateway away, whatever of it there is. Nothing here relies on a record: what belongs to
 * a sandbox is known by its namespace's name and by the alias that every link of it carries.
 */
#include <fcntl.h>

#include "base/netlink.h"
#include "base/text.h"
#include "network/dnsmasq.h"
#include "network/gateway.h"
#include "network/host.h"
#include "network/netns.h"
#include "network/nft.h"
#include "network/rules.h"
#include "tunnel/program.h"

static int end_processes(int netns, struct error *err)
{
	_cleanup_pids_ struct pids pids = {0};

	if (netns_processes(netns, &pids, err) < 0)
		return -1;
	pids_end(&pids);
	return 0;
}

/* A dnsmasq whose namespace has lost its name keeps that namespace alive. */
static int end_dnsmasq(const char *directory, struct error *err)
{
	_cleanup_free_ char *config = text_format("%s/dnsmasq.conf", directory);

	return dnsmasq_stop(config, err);
}

/* A tunnel of the kernel's whose maker died before it had its alias: nobody makes one now. */
static bool is_nobodys_tunnel(const struct link *link)
{
	return text_starts(link->name, TUNNEL_LINK) && !*link->alias;
}

/* Deletes the links of the namespace we are in, all of them or those with @alias. */
static int delete_links(const char *alias, struct error *err)
{
	_cleanup_netlink_ struct netlink netlink = NETLINK_INIT;
	_cleanup_free_ struct link *links = NULL;
	size_t count = 0;

	if (netlink_open(&netlink, err) < 0 || link_list(&netlink, &links, &count, err) < 0)
		return -1;
	for (size_t i = 0; links && i < count; i++) {
		bool wanted =
			alias ? text_equal(links[i].alias, alias) || is_nobodys_tunnel(&links[i])
			      : !text_equal(links[i].name, "lo");

		if (wanted && link_delete(&netlink, links[i].index, err) < 0)
			return -1;
	}
	return 0;
}

/*
 * Links and rules go one by one, for the namespace itself may live on for a while: in the mount
 * namespace of another sandbox's QEMU, or in a shell that an administrator has open there.
 */
static int empty_namespace(const char *name, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	_cleanup_close_ int netns = -1;

	if (netns_open(name, &netns, err) < 0)
		return -1;
	if (netns < 0)
		return 0;
	if (end_processes(netns, err) < 0 || netns_enter(&scope, netns, err) < 0 ||
	    delete_links(NULL, err) < 0)
		return -1;
	return nft_load("flush ruleset\n", err);
}

static int remove_host_side(struct error *err)
{
	_cleanup_netlink_ struct netlink netlink = NETLINK_INIT;

	if (netlink_open(&netlink, err) < 0)
		return -1;
	return host_remove(&netlink, err);
}

/* Keeps the first error of several. */
static void keep_first(struct error *first, struct error *next)
{
	if (!error_is_set(first))
		error_move(first, next);
	error_done(next);
}

int gateway_remove(const char *name, const char *directory, struct error *err)
{
	_cleanup_free_ char *netns = gateway_netns(name);
	_cleanup_error_ struct error first = ERROR_INIT;
	struct error next = ERROR_INIT;

	if (empty_namespace(netns, &next) < 0)
		keep_first(&first, &next);
	if (netns_remove(netns, &next) < 0)
		keep_first(&first, &next);
	if (tunnel_program_end(netns, &next) < 0)
		keep_first(&first, &next);
	if (end_dnsmasq(directory, &next) < 0)
		keep_first(&first, &next);
	if (delete_links(netns, &next) < 0)
		keep_first(&first, &next);
	if (remove_host_side(&next) < 0)
		keep_first(&first, &next);
	if (!error_is_set(&first))
		return 0;
	error_move(err, &first);
	return -1;
}

/* True when a tap with our alias in the current namespace is held open. */
static int has_open_tap(const char *alias, bool *ret_open, struct error *err)
{
	_cleanup_netlink_ struct netlink netlink = NETLINK_INIT;
	_cleanup_free_ struct link *links = NULL;
	size_t count = 0;

	if (netlink_open(&netlink, err) < 0 || link_list(&netlink, &links, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (text_starts(links[i].name, LINK_TAP) && text_equal(links[i].alias, alias) &&
		    links[i].carrier)
			*ret_open = true;
	return 0;
}

int gateway_in_use(const char *name, bool *ret_in_use, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	_cleanup_free_ char *netns_name = gateway_netns(name);
	_cleanup_close_ int netns = -1;

	*ret_in_use = false;
	if (has_open_tap(netns_name, ret_in_use, err) < 0 ||
	    netns_open(netns_name, &netns, err) < 0)
		return -1;
	if (netns < 0)
		return 0;
	if (netns_enter(&scope, netns, err) < 0)
		return -1;
	return has_open_tap(netns_name, ret_in_use, err);
}
