/*
 * The rules refuse these anyway: the host's own addresses and the sandboxes' links stay closed
 * whatever a grant says. Somebody who writes one is told so, with the way that there is, instead of
 * wondering why nothing arrives.
 */
#include "command/policy_check.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/text.h"
#include "network/host.h"
#include "network/wire.h"

static bool is_own(const struct policy_surroundings *surroundings, const struct address *address)
{
	for (size_t i = 0; i < surroundings->own_count; i++)
		if (address_equal(&surroundings->own[i], address))
			return true;
	return false;
}

/* What @address is, when nothing can be reached there; else NULL. */
static const char *unusable(const struct policy_surroundings *surroundings,
			    const struct address *address, const char **ret_hint)
{
	const struct prefix wire = wire_prefix(surroundings->wire);

	*ret_hint = NULL;
	if (prefix_contains(&wire, address))
		return "on the sandbox's own wire";
	if (prefix_contains(surroundings->pool, address))
		return "one of the links between host and sandboxes";
	if (!is_own(surroundings, address))
		return NULL;
	*ret_hint = "`host PROTO/PORT` reaches a service of the host, at the gateway's address";
	return "this host's own, which is closed to sandboxes";
}

static int check_target(const struct config *config, const struct policy_surroundings *surroundings,
			const struct config_allow *allow, struct error *err)
{
	const char *hint;
	const char *what = unusable(surroundings, &allow->address, &hint);
	char text[ADDRESS_TEXT_MAX];

	if (!what)
		return 0;
	config_error(config, allow->position, err, "%s is %s",
		     address_format(&allow->address, text), what);
	return hint ? error_hint(err, "%s", hint) : -1;
}

static bool is_anywhere(const struct address *address)
{
	struct prefix loopback;

	if (address->family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&address->v6);
	return address->v4.s_addr == INADDR_ANY ||
	       (parse_prefix("127.0.0.0/8", &loopback) == 0 && prefix_contains(&loopback, address));
}

static int check_bind(const struct config *config, const struct policy_surroundings *surroundings,
		      const struct config_port *port, struct error *err)
{
	char text[ADDRESS_TEXT_MAX];

	if (is_anywhere(&port->bind) || is_own(surroundings, &port->bind))
		return 0;
	config_error(config, port->position, err, "the host has no address %s",
		     address_format(&port->bind, text));
	return error_hint(err, "without an address the port is bound to 127.0.0.1");
}

int policy_check_among(const struct config *config, const struct policy_surroundings *surroundings,
		       struct error *err)
{
	const struct config_network *network = &config->network;

	for (size_t i = 0; i < network->allow_count; i++)
		if (network->allow[i].kind != ALLOW_HOST &&
		    check_target(config, surroundings, &network->allow[i], err) < 0)
			return -1;
	for (size_t i = 0; i < network->port_count; i++)
		if (check_bind(config, surroundings, &network->ports[i], err) < 0)
			return -1;
	return 0;
}

/* The number of addresses in *ret_own, which the caller frees; -1 with errno. */
static ssize_t find_own(struct address **ret_own)
{
	struct ifaddrs *all = NULL;
	struct address *own = NULL;
	size_t count = 0;

	if (getifaddrs(&all) < 0)
		return -1;
	for (const struct ifaddrs *entry = all; entry; entry = entry->ifa_next) {
		const struct sockaddr *from = entry->ifa_addr;
		struct address address = {.family = from ? from->sa_family : AF_UNSPEC};

		if (address.family == AF_INET)
			address.v4 = ((const struct sockaddr_in *)(const void *)from)->sin_addr;
		else if (address.family == AF_INET6)
			address.v6 = ((const struct sockaddr_in6 *)(const void *)from)->sin6_addr;
		else
			continue;
		own = xreallocarray(own, count + 1, sizeof(*own));
		own[count++] = address;
	}
	freeifaddrs(all);
	*ret_own = own;
	return (ssize_t)count;
}

int policy_check(const struct config *config, const struct wire *wire, struct error *err)
{
	_cleanup_free_ struct address *own = NULL;
	struct prefix pool;
	const ssize_t count = find_own(&own);

	if (count < 0)
		return error_errno(err, EX_OSERR, "cannot list the host's addresses");
	if (host_pool(&pool, err) < 0)
		return -1;
	return policy_check_among(
		config,
		&(struct policy_surroundings){
			.wire = wire, .pool = &pool, .own = own, .own_count = (size_t)count},
		err);
}
