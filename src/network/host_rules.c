/*
 * The IPv4 routing rules by which the host's side is closed unless it is whole.
 *
 * The look-up that MARK_DIRECT is for answers "nothing" for what may be reached, so a rule that is
 * lost must not answer nothing as well. Hence the jump: it leads to the rule that hides the default
 * route, and when that is gone there is no jump, but the trap behind it, where everything is found.
 */
#include "network/host_rules.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include "network/front.h"
#include "network/host.h"
#include "network/rules.h"

enum { WAY, DNS_UDP, DNS_TCP, JUMP, TRAP, DIRECT, TABLES, END, KINDS };

static const struct front host_rules = {
	.family = AF_INET,
	.rules =
		{
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
			[TRAP] = {.mark = MARK_DIRECT,
				  .table = RT_TABLE_MAIN,
				  .action = FR_ACT_TO_TBL},
			[DIRECT] = {.mark = MARK_DIRECT,
				    .table = RT_TABLE_MAIN,
				    .action = FR_ACT_TO_TBL,
				    .suppress_length = DEFAULT_ROUTE_MAX},
			/* A VPN's routes often stand in a table of their own: one such rule for
			   each. */
			[TABLES] = {.mark = MARK_DIRECT,
				    .action = FR_ACT_TO_TBL,
				    .suppress_length = DEFAULT_ROUTE_MAX},
			[END] = {.mark = MARK_DIRECT, .action = FR_ACT_UNREACHABLE},
		},
	.count = KINDS,
	.tables = TABLES,
};

int host_rules_ensure(struct netlink *netlink, const struct prefix *pool, struct error *err)
{
	struct front front = host_rules;

	front.rules[DNS_UDP].destination = *pool;
	front.rules[DNS_TCP].destination = *pool;
	return front_ensure(netlink, &front, err);
}

int host_rules_remove(struct netlink *netlink, struct error *err)
{
	return front_remove(netlink, &host_rules, err);
}

int host_rules_drift(struct netlink *netlink, void (*add)(void *data, const char *line), void *data,
		     struct error *err)
{
	return front_drift(netlink, &host_rules, add, data, err);
}
