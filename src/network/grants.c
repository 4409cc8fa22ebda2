/*
 * Grants and the marks of the connections that live on them. A mark has to be the same in every
 * policy that has the grant, or a change of another line of the Migrantfile would cut connections
 * that are still allowed; and so it comes from what the grant says, not from where it stands.
 */
#include "network/grants.h"

#include <arpa/inet.h>

#include "network/rules.h"

#define FNV_BASIS 0x811c9dc5U /* FNV-1a, 32 bits */
#define FNV_PRIME 0x01000193U

static uint32_t hash(uint32_t state, const void *data, size_t length)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < length; i++)
		state = (state ^ bytes[i]) * FNV_PRIME;
	return state;
}

static uint32_t hash_number(uint32_t state, uint32_t number)
{
	const uint32_t ordered = htonl(number);

	return hash(state, &ordered, sizeof(ordered));
}

static uint32_t hash_address(uint32_t state, const struct address *address)
{
	if (address->family == AF_INET)
		return hash(state, &address->v4, sizeof(address->v4));
	if (address->family == AF_INET6)
		return hash(state, &address->v6, sizeof(address->v6));
	return state;
}

uint32_t rules_grant_mark(const struct policy_grant *grant)
{
	uint32_t state = FNV_BASIS;

	state = hash_number(state, grant->kind);
	state = hash_number(state, grant->protocol);
	state = hash_number(state, grant->port);
	state = hash_number(state, grant->target_port);
	state = hash_address(state, &grant->address) | MARK_GRANTED;
	/* The few marks that have a meaning of their own are no grant's. */
	return state == MARK_PRIVATE ? state + 1 : state;
}

static bool is_ipv4(const struct policy_grant *grant)
{
	return grant->kind == GRANT_HOST || grant->address.family == AF_INET;
}

static struct element_list *list_for(struct grant_sets *sets, const struct policy_grant *grant)
{
	switch (grant->kind) {
	case GRANT_HOST:
		return &sets->host;
	case GRANT_LAN:
		return grant->protocol ? &sets->lan_ports : &sets->lan;
	case GRANT_FORWARD:
		return &sets->forward;
	}
	abort();
}

void grant_sets_collect(const struct policy *policy, struct grant_sets *sets)
{
	for (size_t i = 0; i < policy->grant_count; i++) {
		const struct policy_grant *grant = &policy->grants[i];
		const struct element element = {
			.address = grant->address,
			.protocol = grant->protocol,
			.port = grant->port,
			.target_port = grant->target_port,
			.mark = rules_grant_mark(grant),
		};

		/* There is no tunnel, and nothing that is meant for one goes elsewhere. */
		if (!is_ipv4(grant) || grant->via_tunnel)
			continue;
		element_list_add(list_for(sets, grant), &element);
		element_list_add(&sets->all, &element);
	}
}

void grant_sets_done(struct grant_sets *sets)
{
	element_list_done(&sets->lan);
	element_list_done(&sets->lan_ports);
	element_list_done(&sets->host);
	element_list_done(&sets->forward);
	element_list_done(&sets->all);
}
