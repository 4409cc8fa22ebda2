/*
 * The host's side. It judges a guest's packets a second time, by what the host has and reaches at
 * that moment, and does the NAT.
 *
 * It fails closed: the routes to the uplinks stand in a table of their own that is found by a mark
 * only, and the mark is set by our rules. Whoever flushes the rules takes the mark away, and then
 * the kernel's reverse path check (rp_filter on the uplinks) finds no way back to any packet's
 * sender and drops it, whether it was meant for the host itself or for beyond.
 */
#include "network/host.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include "base/file.h"
#include "base/text.h"
#include "network/block.h"
#include "network/firewall.h"
#include "network/host6.h"
#include "network/host_rules.h"
#include "network/netns.h"
#include "network/nft.h"
#include "network/rules.h"

#define STATE_MAX 65536

static const struct {
	const char *path, *value;
} sysctls[] = {
	{"net/ipv4/ip_forward", "1"},
	/* Errors about a guest's packet (too big, unreachable) find the way back by its mark. */
	{"net/ipv4/fwmark_reflect", "1"},
};

/* The state file: what was there before. */

static int write_state(const struct prefix *pool, struct error *err)
{
	json_object *root = json_object_new_object();
	json_object *old = json_object_new_object();
	char text[PREFIX_TEXT_MAX];
	char value[64];
	const char *json;
	int result;

	json_object_object_add(root, "pool", json_object_new_string(prefix_format(pool, text)));
	json_object_object_add(root, "sysctls", old);
	for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++)
		if (sysctl_read(sysctls[i].path, value, sizeof(value)) == 0)
			json_object_object_add(old, sysctls[i].path, json_object_new_string(value));
	json = json_object_to_json_string(root);
	result = file_replace(AT_FDCWD, HOST_STATE, json, strlen(json), 0600, err);
	json_object_put(root);
	return result;
}

/* The state, or NULL when there is none (or none that can be read). */
static json_object *read_state(void)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = NULL;

	if (file_read(AT_FDCWD, HOST_STATE, STATE_MAX, &text, NULL, &err) < 0)
		return NULL;
	return json_tokener_parse(text);
}

static int state_pool(json_object *state, struct prefix *ret_pool)
{
	json_object *pool;

	if (!json_object_object_get_ex(state, "pool", &pool))
		return -1;
	return parse_prefix(json_object_get_string(pool), ret_pool);
}

static void restore_sysctls(json_object *state)
{
	json_object *old, *value;

	if (!json_object_object_get_ex(state, "sysctls", &old))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++)
		if (json_object_object_get_ex(old, sysctls[i].path, &value))
			(void)!sysctl_write(sysctls[i].path, json_object_get_string(value));
}

int host_pool(struct prefix *ret_pool, struct error *err)
{
	_cleanup_error_ struct error reading = ERROR_INIT;
	_cleanup_free_ char *text = NULL;

	if (file_read(AT_FDCWD, BLOCK_CONFIG, STATE_MAX, &text, NULL, &reading) < 0) {
		if (reading.code != EX_NOINPUT) {
			error_move(err, &reading);
			return -1;
		}
		text = text_dup("");
	}
	return block_parse_config(text, ret_pool, err);
}

/* Rules and routes. */

static struct route closing_route(const struct prefix *pool)
{
	return (struct route){
		.destination = *pool,
		.table = RT_TABLE_MAIN,
		.type = RTN_UNREACHABLE,
		.protocol = HOST_PROTOCOL,
		.scope = RT_SCOPE_UNIVERSE,
	};
}

static int remember_rules(struct error *err)
{
	_cleanup_free_ char *text = NULL;

	if (nft_list("table inet migrant", &text, err) < 0)
		return -1;
	return file_replace(AT_FDCWD, HOST_RULES, text, strlen(text), 0600, err);
}

int host_ensure(struct netlink *netlink, const struct prefix *wanted, struct prefix *ret_pool,
		struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	json_object *state = read_state();
	struct prefix pool = *wanted;
	struct route route;
	bool known = state && state_pool(state, &pool) == 0;

	json_object_put(state);
	if (!known && write_state(&pool, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++)
		if (sysctl_write(sysctls[i].path, sysctls[i].value) < 0)
			return error_errno(err, EX_OSERR, "cannot set %s", sysctls[i].path);
	route = closing_route(&pool);
	if (route_add(netlink, &route, err) < 0 || host_rules_ensure(netlink, &pool, err) < 0)
		return -1;
	rules_host(&pool, &text);
	if (nft_load(strbuf_text(&text), err) < 0 || remember_rules(err) < 0)
		return error_prefix(err, "on the host");
	if (host6_is_there() && host6_ensure(netlink, err) < 0)
		return -1;
	*ret_pool = pool;
	return 0;
}

static int has_links(struct netlink *netlink, bool *ret_has, struct error *err)
{
	_cleanup_free_ struct link *links = NULL;
	size_t count = 0;

	if (link_list(netlink, &links, &count, err) < 0)
		return -1;
	*ret_has = false;
	for (size_t i = 0; i < count; i++)
		*ret_has = *ret_has || text_starts(links[i].name, LINK_UPLINK) ||
			   text_starts(links[i].name, LINK_CONTROL);
	return 0;
}

/* Undoes what the state file tells of, and the file last: until then it can be done again. */
static int undo_state(struct netlink *netlink, json_object *state, struct error *err)
{
	struct prefix pool;

	if (state_pool(state, &pool) == 0) {
		struct route route = closing_route(&pool);

		if (route_delete(netlink, &route, err) < 0)
			return -1;
	}
	restore_sysctls(state);
	if (unlink(HOST_STATE) < 0 && errno != ENOENT)
		return error_errno(err, EX_OSERR, HOST_STATE);
	return 0;
}

int host_remove(struct netlink *netlink, struct error *err)
{
	json_object *state;
	bool busy = false;
	int result;

	if (host6_remove(netlink, err) < 0 || has_links(netlink, &busy, err) < 0)
		return -1;
	if (busy)
		return 0;
	/* Adding first makes deleting right for a table that somebody has flushed. */
	if (nft_load("table inet migrant\ndelete table inet migrant\n", err) < 0)
		return -1;
	if (host_rules_remove(netlink, err) < 0)
		return -1;
	(void)!unlink(HOST_RULES);
	state = read_state();
	result = undo_state(netlink, state, err);
	json_object_put(state);
	return result;
}

/* What is there, for choosing addresses and for what a guest must not reach. */

static bool is_default(const struct route *route)
{
	return route->destination.length <= DEFAULT_ROUTE_MAX;
}

/* Links of sandboxes, which are closed with the whole pool: the lists must not grow with them. */
static bool is_sandboxes(const struct prefix *prefix, const struct prefix *pool)
{
	const struct prefix pool6 = block_pool6();

	if (prefix->address.family == AF_INET6)
		pool = &pool6;
	return prefix->length >= pool->length && prefix_contains(pool, &prefix->address);
}

/* IPv6 has a network fe80::/64 and multicast on every link; both are closed to guests anyway. */
static bool is_of_links(const struct prefix *prefix)
{
	return prefix->address.family == AF_INET6 && (IN6_IS_ADDR_LINKLOCAL(&prefix->address.v6) ||
						      IN6_IS_ADDR_MULTICAST(&prefix->address.v6));
}

static void add_own(const struct link_address *addresses, size_t count, const struct prefix *pool,
		    struct prefix_list *list)
{
	for (size_t i = 0; i < count; i++)
		if (!is_sandboxes(&addresses[i].prefix, pool))
			prefix_list_add_address(list, &addresses[i].prefix.address);
}

static void add_near(const struct route *routes, size_t count, const struct prefix *pool,
		     struct prefix_list *list)
{
	for (size_t i = 0; i < count; i++)
		if (!is_default(&routes[i]) && !is_of_links(&routes[i].destination) &&
		    !is_sandboxes(&routes[i].destination, pool))
			prefix_list_add(list, &routes[i].destination);
}

int host_survey(struct netlink *netlink, const struct prefix *pool, struct prefix_list *used,
		struct surroundings *surroundings, struct error *err)
{
	_cleanup_free_ struct link_address *addresses = NULL;
	_cleanup_free_ struct route *routes = NULL;
	size_t address_count = 0, route_count = 0;

	if (link_address_list(netlink, &addresses, &address_count, err) < 0 ||
	    route_list(netlink, &routes, &route_count, err) < 0)
		return -1;
	for (size_t i = 0; used && i < address_count; i++)
		prefix_list_add(used, &addresses[i].prefix);
	for (size_t i = 0; used && i < route_count; i++)
		if (!is_default(&routes[i]) &&
		    (routes[i].protocol != HOST_PROTOCOL || routes[i].type != RTN_UNREACHABLE))
			prefix_list_add(used, &routes[i].destination);
	add_own(addresses, address_count, pool, &surroundings->own);
	add_near(routes, route_count, pool, &surroundings->near);
	return 0;
}

/* Drift. */

static void sysctls_drift(void (*add)(void *data, const char *line), void *data)
{
	char value[64] = "";

	for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++) {
		_cleanup_free_ char *line =
			text_format("host: %s is no longer %s", sysctls[i].path, sysctls[i].value);

		if (sysctl_read(sysctls[i].path, value, sizeof(value)) < 0 ||
		    !text_equal(value, sysctls[i].value))
			add(data, line);
	}
}

static void table_drift(void (*add)(void *data, const char *line), void *data)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *wanted = NULL;
	_cleanup_free_ char *found = NULL;

	if (nft_list("table inet migrant", &found, &err) < 0)
		add(data, "host: the table inet migrant is gone");
	else if (file_read(AT_FDCWD, HOST_RULES, STATE_MAX, &wanted, NULL, &err) < 0 ||
		 !text_equal(wanted, found))
		add(data, "host: the table inet migrant is not what it was");
}

/* The closing route. */
static int route_drift(struct netlink *netlink, void (*add)(void *data, const char *line),
		       void *data, struct error *err)
{
	_cleanup_free_ struct route *routes = NULL;
	json_object *state = read_state();
	struct prefix pool;
	bool known = state && state_pool(state, &pool) == 0;
	bool found = false;
	size_t count = 0;

	json_object_put(state);
	if (route_list(netlink, &routes, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		found = found || (known && routes[i].type == RTN_UNREACHABLE &&
				  routes[i].table == RT_TABLE_MAIN &&
				  routes[i].destination.length == pool.length &&
				  address_equal(&routes[i].destination.address, &pool.address));
	if (!found)
		add(data, "host: the unreachable route of the pool is gone");
	return 0;
}

/* Other firewalls; one that cannot be listed here (old iptables) stays unknown. */
static void firewall_drift(void (*add)(void *data, const char *line), void *data)
{
	_cleanup_strbuf_ struct strbuf lines = STRBUF_INIT;
	_cleanup_error_ struct error listing = ERROR_INIT;
	_cleanup_free_ char *ruleset = NULL;
	_cleanup_free_ char *text = NULL;
	char *rest;

	if (nft_list("ruleset", &ruleset, &listing) < 0)
		return;
	firewall_blocks(ruleset, host6_is_there(), &lines);
	text = strbuf_take(&lines);
	for (rest = text; rest && *rest;)
		add(data, strsep(&rest, "\n"));
}

int host_drift(struct netlink *netlink, void (*add)(void *data, const char *line), void *data,
	       struct error *err)
{
	table_drift(add, data);
	sysctls_drift(add, data);
	firewall_drift(add, data);
	if (route_drift(netlink, add, data, err) < 0 ||
	    host_rules_drift(netlink, add, data, err) < 0)
		return -1;
	return host6_drift(netlink, add, data, err);
}
