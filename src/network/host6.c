/*
 * IPv6 on the host's side, and how it fails closed there.
 *
 * IPv4 has the reverse path check, which drops what comes by an uplink when our rules, and with
 * them the mark, are gone (see host.c). IPv6 has none. Its place is taken by routing rules that
 * stand before the local table: what comes from a sandbox's address goes nowhere at all, neither to
 * the host nor beyond it, unless it carries one of our marks; and with the mark it goes past the
 * local table, so that not one packet of a sandbox can be delivered on the host.
 *
 * A rule before the local one takes its priority, 0, and the kernel puts a new rule behind those of
 * its priority. So the local rule is added once more, behind ours, and then the first one is
 * deleted: at no moment is there none.
 */
#include "network/host6.h"

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "base/text.h"
#include "network/block.h"
#include "network/host.h"
#include "network/host6_sysctls.h"
#include "network/netns.h"
#include "network/rules.h"

/* VPNs split the default route into as many as OpenVPN does: ::/3, 2000::/4, 3000::/4. */
#define DEFAULT6_ROUTE_MAX 4

enum {
	RULE6_FIRST = 0,
	RULE6_WAY = 670,
	RULE6_LOCAL,
	RULE6_LOCAL_END,
	RULE6_DIRECT,
	RULE6_DIRECT_TABLES,
	RULE6_DIRECT_END,
};

/*
 * Where a packet of a sandbox goes on. The look-ups that a firewall rule makes jump to the very
 * rule that they are about: without it the jump is none, and the answer is the one of an unmarked
 * packet.
 */
static const struct rule first_rules[] = {
	{.mark = MARK_WAY, .action = FR_ACT_GOTO, .target = RULE6_WAY},
	{.mark = MARK_LOCAL, .action = FR_ACT_GOTO, .target = RULE6_LOCAL},
	{.mark = MARK_DIRECT, .action = FR_ACT_GOTO, .target = RULE6_DIRECT},
	{.action = FR_ACT_BLACKHOLE},
};
#define FIRST_COUNT ARRAY_SIZE(first_rules)

static struct rule first_rule(size_t index)
{
	struct rule rule = first_rules[index];

	rule.family = AF_INET6;
	rule.priority = RULE6_FIRST;
	rule.source = block_pool6();
	rule.suppress_length = -1;
	return rule;
}

static const struct rule rules[] = {
	{.priority = RULE6_WAY,
	 .mark = MARK_WAY,
	 .table = HOST_TABLE,
	 .action = FR_ACT_TO_TBL,
	 .suppress_length = -1},
	{.priority = RULE6_LOCAL,
	 .mark = MARK_LOCAL,
	 .table = RT_TABLE_LOCAL,
	 .action = FR_ACT_TO_TBL,
	 .suppress_length = -1},
	{.priority = RULE6_LOCAL_END,
	 .mark = MARK_LOCAL,
	 .action = FR_ACT_UNREACHABLE,
	 .suppress_length = -1},
	{.priority = RULE6_DIRECT,
	 .mark = MARK_DIRECT,
	 .table = RT_TABLE_MAIN,
	 .action = FR_ACT_TO_TBL,
	 .suppress_length = DEFAULT6_ROUTE_MAX},
	{.priority = RULE6_DIRECT_END,
	 .mark = MARK_DIRECT,
	 .action = FR_ACT_UNREACHABLE,
	 .suppress_length = -1},
};

static int add_rules(struct netlink *netlink, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		struct rule rule = rules[i];

		rule.family = AF_INET6;
		if (rule_add(netlink, &rule, err) < 0)
			return -1;
	}
	return 0;
}

/* A VPN's routes often stand in a table of their own: look there, too. */
static int add_table_rules(struct netlink *netlink, struct error *err)
{
	_cleanup_free_ struct route *routes = NULL;
	size_t count = 0;

	if (route_list(netlink, &routes, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct rule rule = {.family = AF_INET6,
				    .priority = RULE6_DIRECT_TABLES,
				    .mark = MARK_DIRECT,
				    .table = routes[i].table,
				    .action = FR_ACT_TO_TBL,
				    .suppress_length = DEFAULT6_ROUTE_MAX};

		if (routes[i].destination.address.family != AF_INET6 ||
		    rule.table == RT_TABLE_LOCAL || rule.table == RT_TABLE_MAIN ||
		    rule.table == HOST_TABLE)
			continue;
		if (rule_add(netlink, &rule, err) < 0)
			return -1;
	}
	return 0;
}

/* The rules of priority 0, in order. */

static bool is_first(const struct rule *rule)
{
	const struct prefix pool = block_pool6();

	return rule->family == AF_INET6 && rule->priority == RULE6_FIRST &&
	       rule->source.length == pool.length && prefix_contains(&pool, &rule->source.address);
}

static bool is_local(const struct rule *rule)
{
	return rule->family == AF_INET6 && rule->priority == RULE6_FIRST &&
	       rule->action == FR_ACT_TO_TBL && rule->table == RT_TABLE_LOCAL && !rule->mark &&
	       !rule->source.length && !rule->destination.length;
}

static bool is_same_first(const struct rule *rule, size_t index)
{
	return is_first(rule) && rule->action == first_rules[index].action &&
	       rule->mark == first_rules[index].mark && rule->target == first_rules[index].target;
}

/* True when ours are all there, once, and before everything else. */
static bool are_first(const struct rule *all, size_t count)
{
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		if (all[i].family != AF_INET6)
			continue;
		if (at < FIRST_COUNT ? !is_same_first(&all[i], at) : is_first(&all[i]))
			return false;
		at++;
	}
	return at >= FIRST_COUNT;
}

/* Deletes those of ours, and what more than one local rule there is. */
static int remove_first(struct netlink *netlink, const struct rule *all, size_t count,
			struct error *err)
{
	size_t locals = 0;

	for (size_t i = 0; i < count; i++)
		if ((is_first(&all[i]) || (is_local(&all[i]) && locals++)) &&
		    rule_delete(netlink, &all[i], err) < 0)
			return -1;
	return 0;
}

static int place_first(struct netlink *netlink, struct error *err)
{
	_cleanup_free_ struct rule *all = NULL;
	size_t count = 0;

	if (rule_list(netlink, &all, &count, err) < 0)
		return -1;
	if (are_first(all, count))
		return 0;
	if (remove_first(netlink, all, count, err) < 0)
		return -1;
	for (size_t i = 0; i < FIRST_COUNT; i++) {
		struct rule rule = first_rule(i);

		if (rule_add(netlink, &rule, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < count; i++) {
		if (!is_local(&all[i]))
			continue;
		if (rule_add_again(netlink, &all[i], err) < 0)
			return -1;
		return rule_delete(netlink, &all[i], err);
	}
	return 0;
}

/* Somebody else's rule may have one of our priorities, but not our mark or table. */
static bool is_our_rule(const struct rule *rule)
{
	if (rule->family != AF_INET6 || rule->priority < RULE6_WAY ||
	    rule->priority > RULE6_DIRECT_END)
		return false;
	return rule->mark == MARK_WAY || rule->mark == MARK_LOCAL || rule->mark == MARK_DIRECT ||
	       rule->table == HOST_TABLE;
}

static int remove_rules(struct netlink *netlink, struct error *err)
{
	_cleanup_free_ struct rule *all = NULL;
	size_t count = 0;

	if (rule_list(netlink, &all, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (is_our_rule(&all[i]) && rule_delete(netlink, &all[i], err) < 0)
			return -1;
	return remove_first(netlink, all, count, err);
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
	const struct route route = closing_route();

	if (add_rules(netlink, err) < 0 || add_table_rules(netlink, err) < 0 ||
	    place_first(netlink, err) < 0 || route_add(netlink, &route, err) < 0)
		return error_prefix(err, "on the host, for IPv6");
	return host6_sysctls_set(netlink, err);
}

int host6_in_use(struct netlink *netlink, bool *ret_used, struct error *err)
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
	const struct route route = closing_route();
	bool used = false;

	if (host6_in_use(netlink, &used, err) < 0)
		return -1;
	if (used)
		return 0;
	/* Routing ends before the way back to the uplinks is open to everybody. */
	if (host6_sysctls_restore(err) < 0 || remove_rules(netlink, err) < 0)
		return -1;
	return route_delete(netlink, &route, err);
}

int host6_drift(struct netlink *netlink, void (*add)(void *data, const char *line), void *data,
		struct error *err)
{
	_cleanup_free_ struct rule *all = NULL;
	bool found[RULE6_DIRECT_END - RULE6_WAY + 1] = {[RULE6_DIRECT_TABLES - RULE6_WAY] = true};
	bool used = false;
	size_t count = 0;

	if (host6_in_use(netlink, &used, err) < 0 || rule_list(netlink, &all, &count, err) < 0)
		return -1;
	if (!used)
		return 0;
	if (!are_first(all, count))
		add(data, "host: the ip -6 rules of priority 0 are not what they were");
	for (size_t i = 0; i < count; i++)
		if (is_our_rule(&all[i]))
			found[all[i].priority - RULE6_WAY] = true;
	for (size_t i = 0; i < ARRAY_SIZE(found); i++) {
		_cleanup_free_ char *line =
			text_format("host: ip -6 rule %zu is gone", RULE6_WAY + i);

		if (!found[i])
			add(data, line);
	}
	host6_sysctls_drift(add, data);
	return 0;
}
