/*
 * What a policy may ask for. The Migrantfile's own checks come first and name the line; these are
 * the gate of the root side, which gets its policy from whoever may write a domain's metadata. What
 * passes here, the rules can be made of.
 */
#include "network/policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/text.h"
#include "network/wire.h"

#define BAD EX_DATAERR

/* The gateway's own services: DNS and DHCP. */
static bool is_reserved(uint16_t port)
{
	return port == 53 || port == 67 || port == 68;
}

static bool in_prefix(const struct address *address, const char *text)
{
	struct prefix prefix;

	return parse_prefix(text, &prefix) == 0 && prefix_contains(&prefix, address);
}

const char *const policy_never[] = {
	"0.0.0.0/8",		  /* this network, RFC 791 */
	"127.0.0.0/8",		  /* loopback */
	"169.254.0.0/16",	  /* link-local and most clouds' metadata, RFC 3927 */
	"100.100.100.200/32",	  /* Alibaba Cloud's metadata */
	"168.63.129.16/32",	  /* Azure's host */
	"224.0.0.0/4",		  /* multicast, RFC 5771 */
	"240.0.0.0/4",		  /* reserved and limited broadcast, RFC 1112 */
	"::/8",			  /* unspecified, loopback, IPv4 inside: RFC 4291, 6052, 8215 */
	"2001::/32",		  /* Teredo, which carries IPv4 addresses, RFC 4380 */
	"2002::/16",		  /* 6to4, which does as well, RFC 3056 */
	"fe80::/10",		  /* link-local */
	"fec0::/10",		  /* site-local, RFC 3879 */
	"ff00::/8",		  /* multicast */
	"fd00:ec2::/32",	  /* metadata and credentials of Amazon's cloud */
	"fd20:ce::254/128",	  /* metadata of Google's */
	"fd00:c1::a9fe:a9fe/128", /* and of Oracle's */
	"fd6d:6967:7261::/48",	  /* sandboxes, see network/block.h and network/wire.h */
};
const size_t policy_never_count = ARRAY_SIZE(policy_never);

bool policy_is_target(const struct address *address)
{
	if (address->family != AF_INET && address->family != AF_INET6)
		return false;
	for (size_t i = 0; i < policy_never_count; i++)
		if (in_prefix(address, policy_never[i]))
			return false;
	return true;
}

static int check_target(const struct policy *policy, const struct address *address,
			struct error *err)
{
	char text[ADDRESS_TEXT_MAX];

	if (!policy_is_target(address))
		return error_set(err, BAD, "%s cannot be allowed",
				 address->family ? address_format(address, text) : "no address");
	if (address->family == AF_INET6 && !policy->ipv6)
		return error_set(err, BAD, "%s is IPv6, which the guest does not have",
				 address_format(address, text));
	return 0;
}

static bool is_protocol(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

static int check_gateway_port(const struct policy_grant *grant, struct error *err)
{
	if (!is_protocol(grant->protocol) || !grant->port)
		return error_set(err, BAD, "a grant without protocol or port");
	if (is_reserved(grant->port))
		return error_set(err, BAD, "port %u is the gateway's own", grant->port);
	return 0;
}

static int check_lan(const struct policy_grant *grant, struct error *err)
{
	if (grant->protocol ? !is_protocol(grant->protocol) || !grant->port : grant->port)
		return error_set(err, BAD, "a grant with half of a protocol and port");
	return 0;
}

static int check_grant(const struct policy *policy, const struct policy_grant *grant,
		       struct error *err)
{
	switch (grant->kind) {
	case GRANT_HOST:
		return check_gateway_port(grant, err);
	case GRANT_LAN:
		return check_lan(grant, err) < 0 ? -1 : check_target(policy, &grant->address, err);
	case GRANT_FORWARD:
		if (check_gateway_port(grant, err) < 0)
			return -1;
		if (!grant->target_port)
			return error_set(err, BAD, "a forward to no port");
		if (grant->via_tunnel && !policy->tunnel)
			return error_set(err, BAD, "a forward through a tunnel, and there is none");
		return check_target(policy, &grant->address, err);
	}
	return error_set(err, BAD, "a grant of no known kind");
}

bool policy_grants_collide(const struct policy_grant *a, const struct policy_grant *b)
{
	bool same_port = a->protocol == b->protocol && a->port == b->port;

	if ((a->kind == GRANT_LAN) != (b->kind == GRANT_LAN))
		return false;
	if (a->kind != GRANT_LAN)
		return same_port;
	return address_equal(&a->address, &b->address) &&
	       (same_port || !a->protocol || !b->protocol);
}

/* With a tunnel an address lies inside or outside of it, whatever the port: a route leads there. */
static bool leads_both_ways(const struct policy_grant *a, const struct policy_grant *b)
{
	return a->kind != GRANT_HOST && b->kind != GRANT_HOST && a->via_tunnel != b->via_tunnel &&
	       address_equal(&a->address, &b->address);
}

static int check_pair(const struct policy_grant *a, const struct policy_grant *b, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	const char *why = policy_grants_collide(a, b) ? "claims what another grant has"
			  : leads_both_ways(a, b)
				  ? "leads another way than a grant with the same address"
				  : NULL;

	if (!why)
		return 0;
	policy_grant_canonical(b, &text);
	return error_set(err, BAD, "'%s' %s", strbuf_text(&text), why);
}

static int check_grants(const struct policy *policy, struct error *err)
{
	if (policy->grant_count > POLICY_GRANT_MAX)
		return error_set(err, BAD, "more than %d grants", POLICY_GRANT_MAX);
	for (size_t i = 0; i < policy->grant_count; i++) {
		const struct policy_grant *grant = &policy->grants[i];

		if (check_grant(policy, grant, err) < 0)
			return -1;
		for (size_t j = 0; j < i; j++)
			if (check_pair(&policy->grants[j], grant, err) < 0)
				return -1;
	}
	return 0;
}

bool policy_is_bind(const struct address *address)
{
	if (address->family == AF_INET)
		return !in_prefix(address, "224.0.0.0/4") && !in_prefix(address, "240.0.0.0/4");
	return address->family == AF_INET6 && !in_prefix(address, "ff00::/8") &&
	       !in_prefix(address, "fe80::/10") && !in_prefix(address, "::ffff:0:0/96");
}

bool policy_ports_collide(const struct policy_port *a, const struct policy_port *b)
{
	return a->host == b->host && address_binds_collide(&a->bind, &b->bind);
}

static int check_ports(const struct policy *policy, struct error *err)
{
	if (policy->port_count > POLICY_PORT_MAX)
		return error_set(err, BAD, "more than %d ports", POLICY_PORT_MAX);
	for (size_t i = 0; i < policy->port_count; i++) {
		const struct policy_port *port = &policy->ports[i];

		if (!port->host || !port->guest || !policy_is_bind(&port->bind))
			return error_set(err, BAD, "a port that cannot be bound");
		for (size_t j = 0; j < i; j++)
			if (policy_ports_collide(&policy->ports[j], port))
				return error_set(err, BAD, "port %u of the host is claimed twice",
						 port->host);
	}
	return 0;
}

static bool is_resolver(const struct policy *policy, const struct address *address)
{
	if (address->family == AF_INET)
		return wire_is_unicast(address);
	return address->family == AF_INET6 && policy->ipv6 && policy_is_target(address);
}

static int check_dns(const struct policy *policy, struct error *err)
{
	char text[ADDRESS_TEXT_MAX];

	if (policy->dns_count > POLICY_DNS_MAX)
		return error_set(err, BAD, "more than %d resolvers", POLICY_DNS_MAX);
	for (size_t i = 0; i < policy->dns_count; i++)
		if (!is_resolver(policy, &policy->dns[i]))
			return error_set(
				err, BAD, "resolver %s cannot be asked",
				policy->dns[i].family ? address_format(&policy->dns[i], text) : "");
	return 0;
}

static int check_limits(const struct policy_limits *limits, struct error *err)
{
	const struct {
		const char *name;
		uint32_t value, max;
	} all[] = {
		{"connections", limits->connections, POLICY_CONNECTIONS_MAX},
		{"new-per-second", limits->new_per_second, POLICY_NEW_MAX},
		{"dns-per-second", limits->dns_per_second, POLICY_DNS_RATE_MAX},
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (!all[i].value || all[i].value > all[i].max)
			return error_set(err, BAD, "the limit %s is not from 1 to %u", all[i].name,
					 all[i].max);
	return 0;
}

int policy_validate(const struct policy *policy, struct error *err)
{
	if (policy->egress != POLICY_EGRESS_OPEN && policy->egress != POLICY_EGRESS_NONE)
		return error_set(err, BAD, "egress of no known kind");
	if (check_dns(policy, err) < 0 || check_grants(policy, err) < 0 ||
	    check_ports(policy, err) < 0)
		return -1;
	return check_limits(&policy->limits, err);
}
