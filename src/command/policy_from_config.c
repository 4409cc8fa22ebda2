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

void policy_from_config(const struct config_network *network, struct policy *ret_policy)
{
	struct policy policy = {
		.isolate = network->isolate,
		.ipv6 = network->ipv6_nat,
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
