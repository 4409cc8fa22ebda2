/*
 * Routes and routing rules.
 */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "base/netlink.h"
#include "base/text.h"

static struct nlmsghdr *route_message(char *buffer, const struct route *route, uint16_t type,
				      uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct rtmsg *info;

	message->nlmsg_type = type;
	message->nlmsg_flags = flags;
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->rtm_family = route->destination.address.family == AF_INET6 ? AF_INET6 : AF_INET;
	info->rtm_dst_len = (uint8_t)route->destination.length;
	info->rtm_type = route->type;
	info->rtm_protocol = route->protocol;
	info->rtm_scope = route->scope;
	info->rtm_table = RT_TABLE_UNSPEC;
	mnl_attr_put_u32(message, RTA_TABLE, route->table);
	if (route->destination.length)
		netlink_put_address(message, RTA_DST, &route->destination.address);
	if (route->gateway.family)
		netlink_put_address(message, RTA_GATEWAY, &route->gateway);
	if (route->source.family)
		netlink_put_address(message, RTA_PREFSRC, &route->source);
	if (route->index)
		mnl_attr_put_u32(message, RTA_OIF, (uint32_t)route->index);
	return message;
}

int route_add(struct netlink *netlink, const struct route *route, struct error *err)
{
	char buffer[NETLINK_REQUEST_MAX];
	char text[PREFIX_TEXT_MAX];
	struct nlmsghdr *message =
		route_message(buffer, route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);

	if (netlink_request(netlink, message) < 0)
		return error_errno(err, EX_OSERR, "cannot add the route to %s",
				   prefix_format(&route->destination, text));
	return 0;
}

int route_delete(struct netlink *netlink, const struct route *route, struct error *err)
{
	char buffer[NETLINK_REQUEST_MAX];
	char text[PREFIX_TEXT_MAX];
	struct nlmsghdr *message = route_message(buffer, route, RTM_DELROUTE, 0);

	if (netlink_request(netlink, message) < 0 && errno != ESRCH)
		return error_errno(err, EX_OSERR, "cannot delete the route to %s",
				   prefix_format(&route->destination, text));
	return 0;
}

struct route_array {
	struct route *items;
	size_t count;
};

/* Multicast routing has its own routes and rules of families of its own. */
static bool is_ip(int family)
{
	return family == AF_INET || family == AF_INET6;
}

static int add_route(const struct nlmsghdr *message, void *data)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	struct route_array *array = data;
	struct route route = {
		.destination = {.address.family = info->rtm_family, .length = info->rtm_dst_len},
		.table = info->rtm_table,
		.type = info->rtm_type,
		.protocol = info->rtm_protocol,
		.scope = info->rtm_scope,
	};
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWROUTE || !is_ip(info->rtm_family) ||
	    info->rtm_flags & RTM_F_CLONED)
		return MNL_CB_OK;
	NETLINK_FOR_EACH_ATTR(attr, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case RTA_DST:
			netlink_read_address(attr, &route.destination.address);
			break;
		case RTA_GATEWAY:
			netlink_read_address(attr, &route.gateway);
			break;
		case RTA_PREFSRC:
			netlink_read_address(attr, &route.source);
			break;
		case RTA_OIF:
			route.index = (int)mnl_attr_get_u32(attr);
			break;
		case RTA_TABLE:
			route.table = mnl_attr_get_u32(attr);
			break;
		default:
			break;
		}
	}
	array->items = xreallocarray(array->items, array->count + 1, sizeof(route));
	array->items[array->count++] = route;
	return MNL_CB_OK;
}

int route_list(struct netlink *netlink, struct route **ret_routes, size_t *ret_count,
	       struct error *err)
{
	char buffer[NETLINK_REQUEST_MAX];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct route_array array = {0};
	struct rtmsg *info;

	message->nlmsg_type = RTM_GETROUTE;
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->rtm_family = AF_UNSPEC;
	if (netlink_dump(netlink, message, add_route, &array) < 0) {
		error_errno(err, EX_OSERR, "cannot list the routes");
		free(array.items);
		return -1;
	}
	*ret_routes = array.items;
	*ret_count = array.count;
	return 0;
}

/* What adding and deleting have in common. */
static struct nlmsghdr *rule_message(char *buffer, const struct rule *rule, uint16_t type,
				     uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct fib_rule_hdr *info;

	message->nlmsg_type = type;
	message->nlmsg_flags = flags;
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->family = rule->family == AF_INET6 ? AF_INET6 : AF_INET;
	info->action = rule->action;
	info->src_len = (uint8_t)rule->source.length;
	info->flags = rule->invert ? FIB_RULE_INVERT : 0;
	mnl_attr_put_u32(message, FRA_PRIORITY, rule->priority);
	if (rule->source.length)
		netlink_put_address(message, FRA_SRC, &rule->source.address);
	if (rule->table)
		mnl_attr_put_u32(message, FRA_TABLE, rule->table);
	if (rule->mark) {
		mnl_attr_put_u32(message, FRA_FWMARK, rule->mark);
		mnl_attr_put_u32(message, FRA_FWMASK, UINT32_MAX);
	}
	if (rule->target)
		mnl_attr_put_u32(message, FRA_GOTO, rule->target);
	return message;
}

static int add(struct netlink *netlink, const struct rule *rule, uint16_t flags, struct error *err)
{
	char buffer[NETLINK_REQUEST_MAX];
	struct nlmsghdr *message = rule_message(buffer, rule, RTM_NEWRULE, NLM_F_CREATE | flags);
	struct fib_rule_hdr *info = mnl_nlmsg_get_payload(message);
	struct fib_rule_port_range port = {rule->source_port, rule->source_port};

	info->dst_len = (uint8_t)rule->destination.length;
	if (rule->destination.length)
		netlink_put_address(message, FRA_DST, &rule->destination.address);
	if (rule->maker)
		mnl_attr_put_u8(message, FRA_PROTOCOL, rule->maker);
	if (rule->protocol)
		mnl_attr_put_u8(message, FRA_IP_PROTO, rule->protocol);
	if (rule->source_port)
		mnl_attr_put(message, FRA_SPORT_RANGE, sizeof(port), &port);
	if (rule->suppress_length >= 0)
		mnl_attr_put_u32(message, FRA_SUPPRESS_PREFIXLEN, (uint32_t)rule->suppress_length);
	if (netlink_request(netlink, message) < 0 && errno != EEXIST)
		return error_errno(err, EX_OSERR, "cannot add the routing rule %u", rule->priority);
	return 0;
}

int rule_add(struct netlink *netlink, const struct rule *rule, struct error *err)
{
	return add(netlink, rule, NLM_F_EXCL, err);
}

int rule_add_always(struct netlink *netlink, const struct rule *rule, struct error *err)
{
	return add(netlink, rule, 0, err);
}

int rule_delete(struct netlink *netlink, const struct rule *rule, struct error *err)
{
	char buffer[NETLINK_REQUEST_MAX];
	struct nlmsghdr *message = rule_message(buffer, rule, RTM_DELRULE, 0);

	if (netlink_request(netlink, message) < 0 && errno != ENOENT)
		return error_errno(err, EX_OSERR, "cannot delete the routing rule %u",
				   rule->priority);
	return 0;
}

struct rule_array {
	struct rule *items;
	size_t count;
};

static int add_rule(const struct nlmsghdr *message, void *data)
{
	const struct fib_rule_hdr *info = mnl_nlmsg_get_payload(message);
	struct rule_array *array = data;
	struct rule rule = {
		.family = info->family,
		.action = info->action,
		.table = info->table,
		.source.length = info->src_len,
		.invert = info->flags & FIB_RULE_INVERT,
		.destination.length = info->dst_len,
		.suppress_length = -1,
	};
	struct fib_rule_port_range port;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWRULE || !is_ip(info->family))
		return MNL_CB_OK;
	NETLINK_FOR_EACH_ATTR(attr, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case FRA_PRIORITY:
			rule.priority = mnl_attr_get_u32(attr);
			break;
		case FRA_FWMARK:
			rule.mark = mnl_attr_get_u32(attr);
			break;
		case FRA_TABLE:
			rule.table = mnl_attr_get_u32(attr);
			break;
		case FRA_DST:
			netlink_read_address(attr, &rule.destination.address);
			break;
		case FRA_SRC:
			netlink_read_address(attr, &rule.source.address);
			break;
		case FRA_GOTO:
			rule.target = mnl_attr_get_u32(attr);
			break;
		case FRA_PROTOCOL:
			rule.maker = mnl_attr_get_u8(attr);
			break;
		case FRA_IP_PROTO:
			rule.protocol = mnl_attr_get_u8(attr);
			break;
		case FRA_SPORT_RANGE:
			memcpy(&port, mnl_attr_get_payload(attr), sizeof(port));
			rule.source_port = port.start;
			break;
		case FRA_SUPPRESS_PREFIXLEN:
			rule.suppress_length = (int)mnl_attr_get_u32(attr);
			break;
		default:
			break;
		}
	}
	array->items = xreallocarray(array->items, array->count + 1, sizeof(rule));
	array->items[array->count++] = rule;
	return MNL_CB_OK;
}

int rule_list(struct netlink *netlink, struct rule **ret_rules, size_t *ret_count,
	      struct error *err)
{
	char buffer[NETLINK_REQUEST_MAX];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct rule_array array = {0};
	struct fib_rule_hdr *info;

	message->nlmsg_type = RTM_GETRULE;
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->family = AF_UNSPEC;
	if (netlink_dump(netlink, message, add_rule, &array) < 0) {
		error_errno(err, EX_OSERR, "cannot list the routing rules");
		free(array.items);
		return -1;
	}
	*ret_rules = array.items;
	*ret_count = array.count;
	return 0;
}
