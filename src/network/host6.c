/*
 * IPv6 on the host's side, and how it fails closed there.
 *
 * IPv4 has the reverse path check, which drops what comes by an uplink when our rules, and with
 * them the mark, are gone (see host.c). IPv6 has none. Three things take its place:
 *
 * - The rule that looks into the local table, which comes before all others, is made one for
 *   everybody but the sandboxes: not one packet of theirs is delivered on the host, with or without
 *   a mark. It keeps its priority, 0: a second rule of that priority would get all that are added
 *   without one (wg-quick's) into the wrong order.
 * - What comes from a sandbox's address and has not one of our marks goes nowhere.
 * - A gateway sends everything with a hop limit of 1, which nobody passes on, and our rules on the
 *   host make it a usual one. So nothing is forwarded without them, whatever has become of the
 * routes.
 */
#include "network/host6.h"

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include "base/text.h"
#include "network/block.h"
#include "network/front.h"
#include "network/host.h"
#include "network/host6_sysctls.h"
#include "network/netns.h"
#include "network/rules.h"

/* VPNs split the default route into as many as OpenVPN does: ::/3, 2000::/4, 3000::/4. */
#define DEFAULT6_ROUTE_MAX 4
#define REPLACE_ROUNDS	   16 /* more rules of the local table than any host has */

/*
 * Where a packet of a sandbox goes on. The look-ups that a firewall rule makes jump to the very
 * rule that they are about: without it the jump is none, and the answer is the one of an unmarked
 * packet.
 */
enum {
	GO_WAY,
	GO_LOCAL,
	GO_DIRECT,
	STOP,
	WAY,
	LOCAL,
	LOCAL_END,
	DIRECT,
	TABLES,
	END,
	KINDS,
};

static struct front make_front(void)
{
	struct front front = {
		.family = AF_INET6,
		.rules =
			{
				[GO_WAY] = {.mark = MARK_WAY, .action = FR_ACT_GOTO, .target = WAY},
				[GO_LOCAL] = {.mark = MARK_LOCAL,
					      .action = FR_ACT_GOTO,
					      .target = LOCAL},
				[GO_DIRECT] = {.mark = MARK_DIRECT,
					       .action = FR_ACT_GOTO,
					       .target = DIRECT},
				[STOP] = {.action = FR_ACT_BLACKHOLE},
				[WAY] = {.mark = MARK_WAY,
					 .table = HOST_TABLE,
					 .action = FR_ACT_TO_TBL},
				[LOCAL] = {.mark = MARK_LOCAL,
					   .table = RT_TABLE_LOCAL,
					   .action = FR_ACT_TO_TBL},
				[LOCAL_END] = {.mark = MARK_LOCAL, .action = FR_ACT_UNREACHABLE},
				[DIRECT] = {.mark = MARK_DIRECT,
					    .table = RT_TABLE_MAIN,
					    .action = FR_ACT_TO_TBL,
					    .suppress_length = DEFAULT6_ROUTE_MAX},
				/* A VPN's routes often stand in a table of their own. */
				[TABLES] = {.mark = MARK_DIRECT,
					    .action = FR_ACT_TO_TBL,
					    .suppress_length = DEFAULT6_ROUTE_MAX},
				[END] = {.mark = MARK_DIRECT, .action = FR_ACT_UNREACHABLE},
			},
		.count = KINDS,
		.tables = TABLES,
	};

	for (unsigned int i = GO_WAY; i <= STOP; i++)
		front.rules[i].source = block_pool6();
	return front;
}

/* The rule of the local table: everybody's, or everybody's but the sandboxes'. */

static bool is_local(const struct rule *rule, bool for_all)
{
	const struct prefix pool = block_pool6();

	if (rule->family != AF_INET6 || rule->action != FR_ACT_TO_TBL ||
	    rule->table != RT_TABLE_LOCAL || rule->mark || rule->destination.length ||
	    rule->invert == for_all)
		return false;
	return for_all ? !rule->source.length
		       : rule->source.length == pool.length &&
				 address_equal(&rule->source.address, &pool.address);
}

static bool has_local(const struct rule *all, size_t count, uint32_t priority, bool for_all)
{
	for (size_t i = 0; i < count; i++)
		if (is_local(&all[i], for_all) && all[i].priority == priority)
			return true;
	return false;
}

/*
 * Where the other kind stands, this one is put behind it before it is deleted. *ret_found: one did;
 * the kernel may have deleted ours instead, as the first of the priority for which "from all"
 * holds.
 */
static int replace_first(struct netlink *netlink, bool for_all, bool *ret_found, struct error *err)
{
	_cleanup_free_ struct rule *all = NULL;
	size_t count = 0;

	*ret_found = false;
	if (rule_list(netlink, &all, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count && !*ret_found; i++) {
		const struct prefix everybody = {0};
		struct rule other = all[i];

		if (!is_local(&all[i], !for_all))
			continue;
		*ret_found = true;
		other.invert = !for_all;
		other.source = for_all ? everybody : block_pool6();
		if ((!has_local(all, count, other.priority, for_all) &&
		     rule_add_always(netlink, &other, err) < 0) ||
		    rule_delete(netlink, &all[i], err) < 0)
			return -1;
	}
	return 0;
}

static int replace_local(struct netlink *netlink, bool for_all, struct error *err)
{
	bool found = true;

	for (int round = 0; found && round < REPLACE_ROUNDS; round++)
		if (replace_first(netlink, for_all, &found, err) < 0)
			return -1;
	return 0;
}

static int local_drift(struct netlink *netlink, void (*add)(void *data, const char *line),
		       void *data, struct error *err)
{
	_cleanup_free_ struct rule *all = NULL;
	bool found = false, for_all = false;
	size_t count = 0;

	if (rule_list(netlink, &all, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		found = found || is_local(&all[i], false);
		for_all = for_all || is_local(&all[i], true);
	}
	if (!found || for_all)
		add(data, "host: the ip -6 rule of the local table is for sandboxes as well");
	return 0;
}

static struct route closing_route(void)
{
	return (struct route){
		.destination = block_pool6(),
		.table = RT_TABLE_MAIN,
		.type = RTN_UNREACHABLE,
		.protocol = HOST_PROTOCOL,
		.scope = RT_SCOPE_UNIVERSE,
	};
}

int host6_ensure(struct netlink *netlink, struct error *err)
{
	const struct front front = make_front();
	const struct route route = closing_route();

	if (host6_sysctls_set(netlink, err) < 0 || front_ensure(netlink, &front, err) < 0 ||
	    replace_local(netlink, false, err) < 0 || route_add(netlink, &route, err) < 0)
		return error_prefix(err, "on the host, for IPv6");
	return 0;
}

bool host6_is_there(void)
{
	return access(HOST6_STATE, F_OK) == 0;
}

static int is_in_use(struct netlink *netlink, bool *ret_used, struct error *err)
{
	_cleanup_free_ struct link *links = NULL;
	size_t count = 0;

	if (link_list(netlink, &links, &count, err) < 0)
		return -1;
	*ret_used = false;
	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *path =
			text_format("net/ipv6/conf/%s/disable_ipv6", links[i].name);
		char value[16];

		if (text_starts(links[i].name, LINK_UPLINK) &&
		    sysctl_read(path, value, sizeof(value)) == 0 && text_equal(value, "0"))
			*ret_used = true;
	}
	return 0;
}

int host6_remove(struct netlink *netlink, struct error *err)
{
	const struct front front = make_front();
	const struct route route = closing_route();
	bool used = false;

	if (!host6_is_there())
		return 0;
	if (is_in_use(netlink, &used, err) < 0)
		return -1;
	if (used)
		return 0;
	if (replace_local(netlink, true, err) < 0 || front_remove(netlink, &front, err) < 0 ||
	    route_delete(netlink, &route, err) < 0)
		return -1;
	return host6_sysctls_restore(err);
}

int host6_drift(struct netlink *netlink, void (*add)(void *data, const char *line), void *data,
		struct error *err)
{
	const struct front front = make_front();

	if (!host6_is_there())
		return 0;
	host6_sysctls_drift(add, data);
	if (local_drift(netlink, add, data, err) < 0)
		return -1;
	return front_drift(netlink, &front, add, data, err);
}
