/*
 * They work only in front of everybody else's: a VPN's rule that comes first finds its default
 * route for every look-up, and then nothing passes at all. A rule that is added without a priority
 * (wg-quick's) gets the one before the first there is. So ours have no fixed place: they are known
 * by their marks, their table and the sandboxes' addresses, and move to the front when they are
 * made whole.
 */
#include "network/front.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "base/text.h"
#include "network/block.h"
#include "network/host.h"
#include "network/rules.h"

#define FIRST 670 /* the usual priority of the first one */

static struct rule make_rule(const struct front *front, unsigned int kind, uint32_t first)
{
	struct rule rule = front->rules[kind];

	rule.family = front->family;
	rule.priority = first + kind;
	if (!rule.suppress_length)
		rule.suppress_length = -1;
	if (rule.action == FR_ACT_GOTO)
		rule.target += first;
	return rule;
}

/* The local table's rule for everybody but the sandboxes is network/host6.h's. */
static bool is_ours(const struct front *front, const struct rule *rule)
{
	const struct prefix pool6 = block_pool6();

	if (rule->family != front->family)
		return false;
	return rule->mark == MARK_WAY || rule->mark == MARK_DIRECT || rule->mark == MARK_LOCAL ||
	       rule->table == HOST_TABLE ||
	       (!rule->invert && rule->source.length == pool6.length &&
		address_equal(&rule->source.address, &pool6.address));
}

/* True when @rule is the one of @kind, where it stands when the first one has priority @first. */
static bool is_kind(const struct front *front, const struct rule *rule, unsigned int kind,
		    uint32_t first)
{
	const struct rule wanted = make_rule(front, kind, first);

	return is_ours(front, rule) && rule->priority == wanted.priority &&
	       rule->mark == wanted.mark && rule->action == wanted.action &&
	       rule->target == wanted.target && rule->protocol == wanted.protocol &&
	       rule->source_port == wanted.source_port &&
	       rule->source.length == wanted.source.length &&
	       rule->suppress_length == wanted.suppress_length &&
	       (kind == front->tables || rule->table == wanted.table);
}

static bool is_in_place(const struct front *front, const struct rule *rule, uint32_t first)
{
	for (unsigned int kind = 0; kind < front->count; kind++)
		if (is_kind(front, rule, kind, first))
			return true;
	return false;
}

/* The priority of the first of somebody else's, but for the local table's at 0. */
static uint32_t first_of_others(const struct front *front, const struct rule *all, size_t count)
{
	uint32_t first = UINT32_MAX;

	for (size_t i = 0; i < count; i++)
		if (all[i].family == front->family && !is_ours(front, &all[i]) && all[i].priority &&
		    all[i].priority < first)
			first = all[i].priority;
	return first;
}

/* Where ours stand now, by the first of them that is known; 0 when there is none. */
static uint32_t present_place(const struct front *front, const struct rule *all, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (unsigned int kind = 0; kind < front->count; kind++)
			if (all[i].priority > kind &&
			    is_kind(front, &all[i], kind, all[i].priority - kind))
				return all[i].priority - kind;
	return 0;
}

/* Where they should stand: where they are, unless somebody else's have come before them. */
static uint32_t wanted_place(const struct front *front, const struct rule *all, size_t count)
{
	const uint32_t others = first_of_others(front, all, count);
	const uint32_t present = present_place(front, all, count);

	if (present && present + front->count <= others)
		return present;
	if (FIRST + front->count <= others)
		return FIRST;
	return others > front->count ? others - front->count : 1;
}

/* Ensuring. */

/* True when @route is in a table that needs a rule of its own. */
static bool is_elsewhere(const struct front *front, const struct route *route)
{
	return route->destination.address.family == front->family &&
	       route->table != RT_TABLE_LOCAL && route->table != RT_TABLE_MAIN &&
	       route->table != HOST_TABLE;
}

static int add_table_rules(struct netlink *netlink, const struct front *front, uint32_t first,
			   struct error *err)
{
	_cleanup_free_ struct route *routes = NULL;
	size_t count = 0;

	if (route_list(netlink, &routes, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct rule rule = make_rule(front, front->tables, first);

		rule.table = routes[i].table;
		if (is_elsewhere(front, &routes[i]) && rule_add(netlink, &rule, err) < 0)
			return -1;
	}
	return 0;
}

/* In an order in which what is there at any moment is closed: the end comes last. */
static int add_all(struct netlink *netlink, const struct front *front, uint32_t first,
		   struct error *err)
{
	for (unsigned int kind = 0; kind < front->count; kind++) {
		const struct rule rule = make_rule(front, kind, first);

		if (kind == front->tables ? add_table_rules(netlink, front, first, err) < 0
					  : rule_add(netlink, &rule, err) < 0)
			return -1;
	}
	return 0;
}

/* Deletes ours but for those that stand where they should, the last ones first. */
static int remove_others(struct netlink *netlink, const struct front *front, const struct rule *all,
			 size_t count, uint32_t first, struct error *err)
{
	for (size_t i = count; i-- > 0;)
		if (is_ours(front, &all[i]) && !(first && is_in_place(front, &all[i], first)) &&
		    rule_delete(netlink, &all[i], err) < 0)
			return -1;
	return 0;
}

int front_ensure(struct netlink *netlink, const struct front *front, struct error *err)
{
	_cleanup_free_ struct rule *all = NULL;
	size_t count = 0;
	uint32_t first;

	if (rule_list(netlink, &all, &count, err) < 0)
		return -1;
	first = wanted_place(front, all, count);
	if (add_all(netlink, front, first, err) < 0)
		return -1;
	return remove_others(netlink, front, all, count, first, err);
}

int front_remove(struct netlink *netlink, const struct front *front, struct error *err)
{
	_cleanup_free_ struct rule *all = NULL;
	size_t count = 0;

	if (rule_list(netlink, &all, &count, err) < 0)
		return -1;
	return remove_others(netlink, front, all, count, 0, err);
}

/* Drift. */

static bool has_rule(const struct front *front, const struct rule *all, size_t count,
		     uint32_t first, uint32_t table)
{
	for (size_t i = 0; i < count; i++)
		if (is_kind(front, &all[i], front->tables, first) && all[i].table == table)
			return true;
	return false;
}

/* Tables that have come up since: what only they lead to is not closed until they are looked at. */
static int table_drift(struct netlink *netlink, const struct front *front, const struct rule *all,
		       size_t count, uint32_t first, void (*add)(void *data, const char *line),
		       void *data, struct error *err)
{
	_cleanup_free_ struct route *routes = NULL;
	const unsigned int default_length =
		(unsigned int)front->rules[front->tables].suppress_length;
	uint32_t last = RT_TABLE_UNSPEC;
	size_t route_count = 0;

	if (route_list(netlink, &routes, &route_count, err) < 0)
		return -1;
	for (size_t i = 0; i < route_count; i++) {
		const uint32_t table = routes[i].table;
		_cleanup_free_ char *line = NULL;

		/* A table of a default route alone, as most VPNs have it, closes nothing. */
		if (!is_elsewhere(front, &routes[i]) || table == last ||
		    routes[i].destination.length <= default_length ||
		    has_rule(front, all, count, first, table))
			continue;
		last = table;
		line = text_format("host: routing table %u is not looked at yet", table);
		add(data, line);
	}
	return 0;
}

int front_drift(struct netlink *netlink, const struct front *front,
		void (*add)(void *data, const char *line), void *data, struct error *err)
{
	const char *what = front->family == AF_INET6 ? "ip -6 rule" : "ip rule";
	_cleanup_free_ char *behind =
		text_format("host: %ss of others come before those of the sandboxes", what);
	_cleanup_free_ struct rule *all = NULL;
	bool found[FRONT_MAX] = {false};
	size_t count = 0;
	uint32_t first;

	if (rule_list(netlink, &all, &count, err) < 0)
		return -1;
	found[front->tables] = true;
	first = present_place(front, all, count);
	if (!first)
		first = FIRST;
	else if (first != wanted_place(front, all, count))
		add(data, behind);
	for (size_t i = 0; i < count; i++)
		for (unsigned int kind = 0; kind < front->count; kind++)
			found[kind] = found[kind] || is_kind(front, &all[i], kind, first);
	for (unsigned int kind = 0; kind < front->count; kind++) {
		_cleanup_free_ char *line = text_format("host: %s %u is gone", what, first + kind);

		if (!found[kind])
			add(data, line);
	}
	return table_drift(netlink, front, all, count, first, add, data, err);
}
