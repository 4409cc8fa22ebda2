/*
 * The routing rules by which the host's side is closed unless it is whole.
 *
 * The look-up that MARK_DIRECT is for answers "nothing" for what may be reached, so a rule that is
 * lost must not answer nothing as well. Hence the jump: it leads to the rule that hides the default
 * route, and when that is gone there is no jump, but the trap behind it, where everything is found.
 *
 * They work only in front of everybody else's: a VPN's rule that comes first finds its default
 * route for every look-up, and then nothing passes at all. A rule that is added without a priority
 * (wg-quick's) gets the one before the first there is. So ours have no fixed place: they are known
 * by their marks and their table, and move to the front when they are made whole.
 */
#include "network/host_rules.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include "base/text.h"
#include "network/host.h"
#include "network/rules.h"

#define FIRST 670 /* the usual priority of the first one */

enum kind { WAY, DNS_UDP, DNS_TCP, JUMP, TRAP, DIRECT, TABLES, END, KINDS };

static const struct rule rules[KINDS] = {
	[WAY] = {.mark = MARK_WAY, .table = HOST_TABLE, .action = FR_ACT_TO_TBL},
	/* Answers of a resolver that runs on the host itself. */
	[DNS_UDP] = {.protocol = IPPROTO_UDP,
		     .source_port = 53,
		     .table = HOST_TABLE,
		     .action = FR_ACT_TO_TBL},
	[DNS_TCP] = {.protocol = IPPROTO_TCP,
		     .source_port = 53,
		     .table = HOST_TABLE,
		     .action = FR_ACT_TO_TBL},
	[JUMP] = {.mark = MARK_DIRECT, .action = FR_ACT_GOTO, .target = DIRECT},
	[TRAP] = {.mark = MARK_DIRECT, .table = RT_TABLE_MAIN, .action = FR_ACT_TO_TBL},
	[DIRECT] = {.mark = MARK_DIRECT, .table = RT_TABLE_MAIN, .action = FR_ACT_TO_TBL},
	/* A VPN's routes often stand in a table of their own: one such rule for each. */
	[TABLES] = {.mark = MARK_DIRECT, .action = FR_ACT_TO_TBL},
	[END] = {.mark = MARK_DIRECT, .action = FR_ACT_UNREACHABLE},
};

static struct rule make_rule(enum kind kind, uint32_t first, const struct prefix *pool)
{
	struct rule rule = rules[kind];

	rule.family = AF_INET;
	rule.priority = first + kind;
	rule.suppress_length = kind == DIRECT || kind == TABLES ? DEFAULT_ROUTE_MAX : -1;
	if (kind == DNS_UDP || kind == DNS_TCP)
		rule.destination = *pool;
	if (kind == JUMP)
		rule.target = first + DIRECT;
	return rule;
}

static bool is_ours(const struct rule *rule)
{
	return rule->family == AF_INET &&
	       (rule->mark == MARK_WAY || rule->mark == MARK_DIRECT || rule->table == HOST_TABLE);
}

/* True when @rule is the one of @kind, where it stands when the first one has priority @first. */
static bool is_kind(const struct rule *rule, enum kind kind, uint32_t first)
{
	const struct rule wanted = make_rule(kind, first, &rule->destination);

	return is_ours(rule) && rule->priority == wanted.priority && rule->mark == wanted.mark &&
	       rule->action == wanted.action && rule->target == wanted.target &&
	       rule->protocol == wanted.protocol && rule->source_port == wanted.source_port &&
	       rule->suppress_length == wanted.suppress_length &&
	       (kind == TABLES || rule->table == wanted.table);
}

static bool is_in_place(const struct rule *rule, uint32_t first)
{
	for (enum kind kind = 0; kind < KINDS; kind++)
		if (is_kind(rule, kind, first))
			return true;
	return false;
}

/* The priority of the first of somebody else's, but for the local table's at 0. */
static uint32_t first_of_others(const struct rule *all, size_t count)
{
	uint32_t first = UINT32_MAX;

	for (size_t i = 0; i < count; i++)
		if (all[i].family == AF_INET && !is_ours(&all[i]) && all[i].priority &&
		    all[i].priority < first)
			first = all[i].priority;
	return first;
}

/* Where ours stand now, by the first of them that is known; 0 when there is none. */
static uint32_t present_place(const struct rule *all, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (enum kind kind = 0; kind < KINDS; kind++)
			if (all[i].priority > kind &&
			    is_kind(&all[i], kind, all[i].priority - kind))
				return all[i].priority - kind;
	return 0;
}

/* Where they should stand: where they are, unless somebody else's have come before them. */
static uint32_t wanted_place(const struct rule *all, size_t count)
{
	const uint32_t others = first_of_others(all, count);
	const uint32_t present = present_place(all, count);

	if (present && present + KINDS <= others)
		return present;
	if (FIRST + KINDS <= others)
		return FIRST;
	return others > KINDS ? others - KINDS : 1;
}

/* Ensuring. */

static int add_table_rules(struct netlink *netlink, uint32_t first, struct error *err)
{
	_cleanup_free_ struct route *routes = NULL;
	size_t count = 0;

	if (route_list(netlink, &routes, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct rule rule = make_rule(TABLES, first, NULL);

		rule.table = routes[i].table;
		if (routes[i].destination.address.family != AF_INET ||
		    rule.table == RT_TABLE_LOCAL || rule.table == RT_TABLE_MAIN ||
		    rule.table == HOST_TABLE)
			continue;
		if (rule_add(netlink, &rule, err) < 0)
			return -1;
	}
	return 0;
}

/* In an order in which what is there at any moment is closed: the end comes last. */
static int add_all(struct netlink *netlink, uint32_t first, const struct prefix *pool,
		   struct error *err)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		const struct rule rule = make_rule(kind, first, pool);

		if (kind == TABLES ? add_table_rules(netlink, first, err) < 0
				   : rule_add(netlink, &rule, err) < 0)
			return -1;
	}
	return 0;
}

/* Deletes ours but for those that stand where they should, the last ones first. */
static int remove_others(struct netlink *netlink, const struct rule *all, size_t count,
			 uint32_t first, struct error *err)
{
	for (size_t i = count; i-- > 0;)
		if (is_ours(&all[i]) && !(first && is_in_place(&all[i], first)) &&
		    rule_delete(netlink, &all[i], err) < 0)
			return -1;
	return 0;
}

int host_rules_ensure(struct netlink *netlink, const struct prefix *pool, struct error *err)
{
	_cleanup_free_ struct rule *all = NULL;
	size_t count = 0;
	uint32_t first;

	if (rule_list(netlink, &all, &count, err) < 0)
		return -1;
	first = wanted_place(all, count);
	if (add_all(netlink, first, pool, err) < 0)
		return -1;
	return remove_others(netlink, all, count, first, err);
}

int host_rules_remove(struct netlink *netlink, struct error *err)
{
	_cleanup_free_ struct rule *all = NULL;
	size_t count = 0;

	if (rule_list(netlink, &all, &count, err) < 0)
		return -1;
	return remove_others(netlink, all, count, 0, err);
}

/* Drift. */

int host_rules_drift(struct netlink *netlink, void (*add)(void *data, const char *line), void *data,
		     struct error *err)
{
	_cleanup_free_ struct rule *all = NULL;
	bool found[KINDS] = {[TABLES] = true};
	size_t count = 0;
	uint32_t first;

	if (rule_list(netlink, &all, &count, err) < 0)
		return -1;
	first = present_place(all, count);
	if (!first)
		first = FIRST;
	else if (first != wanted_place(all, count))
		add(data, "host: ip rules of others come before those of the sandboxes");
	for (size_t i = 0; i < count; i++)
		for (enum kind kind = 0; kind < KINDS; kind++)
			found[kind] = found[kind] || is_kind(&all[i], kind, first);
	for (enum kind kind = 0; kind < KINDS; kind++) {
		_cleanup_free_ char *line = text_format("host: ip rule %u is gone", first + kind);

		if (!found[kind])
			add(data, line);
	}
	return 0;
}
