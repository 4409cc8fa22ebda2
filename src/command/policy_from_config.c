/*
 * The one place where the words of the Migrantfile become the policy. Neither side knows the other:
 * the parser has its positions, the root side its validation.
 */
#include "command/policy_from_config.h"

#include <netinet/in.h>

static uint8_t protocol_of(enum config_protocol protocol)
{
	switch (protocol) {
	case PROTOCOL_TCP:
		return IPPROTO_TCP;
	case PROTOCOL_UDP:
		return IPPROTO_UDP;
	case PROTOCOL_ANY:
		break;
	}
	return 0;
}

static enum policy_grant_kind kind_of(enum config_allow_kind kind)
{
	switch (kind) {
	case ALLOW_HOST:
		return GRANT_HOST;
	case ALLOW_FORWARD:
		return GRANT_FORWARD;
	case ALLOW_LAN:
		break;
	}
	return GRANT_LAN;
}

static struct policy_grant grant_of(const struct config_allow *allow)
{
	return (struct policy_grant){
		.kind = kind_of(allow->kind),
		.protocol = protocol_of(allow->protocol),
		.port = allow->port,
		.address = allow->address,
		.target_port = allow->target_port,
		.via_tunnel = allow->via_tunnel,
	};
}

/*
 * A tunnel that carries IPv6 brings it, unless the Migrantfile says otherwise. One that does not
 * leaves none, for there is no other way out, but to what is allowed outside of it.
 */
static bool has_ipv6(const struct config *config, const struct wireguard *wireguard)
{
	const struct config_network *network = &config->network;

	if (!config->wireguard || !wireguard)
		return network->ipv6_nat;
	if (wireguard_carries(wireguard, AF_INET6))
		return network->ipv6_nat || !config_position(config, "network.ipv6").line;
	for (size_t i = 0; i < network->allow_count; i++)
		if (network->allow[i].address.family == AF_INET6 && !network->allow[i].via_tunnel)
			return network->ipv6_nat;
	return false;
}

void policy_from_config(const struct config *config, const struct wireguard *wireguard,
			struct policy *ret_policy)
{
	const struct config_network *network = &config->network;
	struct policy policy = {
		.isolate = network->isolate,
		.ipv6 = has_ipv6(config, wireguard),
		.tunnel = config->wireguard != NULL,
		.egress = network->egress == EGRESS_OPEN ? POLICY_EGRESS_OPEN : POLICY_EGRESS_NONE,
		.limits = {.connections = network->limit_connections,
			   .new_per_second = network->limit_new_per_second,
			   .dns_per_second = network->limit_dns_per_second},
	};

	/* The key table has the same bounds (config/keys.c). */
	for (size_t i = 0; i < network->dns_count && i < POLICY_DNS_MAX; i++)
		policy.dns[policy.dns_count++] = network->dns[i];
	for (size_t i = 0; i < network->allow_count && i < POLICY_GRANT_MAX; i++)
		policy.grants[policy.grant_count++] = grant_of(&network->allow[i]);
	for (size_t i = 0; i < network->port_count && i < POLICY_PORT_MAX; i++)
		policy.ports[policy.port_count++] = (struct policy_port){
			network->ports[i].bind, network->ports[i].host, network->ports[i].guest};
	*ret_policy = policy;
}
