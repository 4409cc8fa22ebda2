/*
 * Grants and the marks of the connections that live on them. A mark has to be the same in every
 * policy that has the grant, or a change of another line of the Migrantfile would cut connections
 * that are still allowed; and so it comes from what the grant says, not from where it stands.
 */
#include "network/grants.h"

#include "network/rules.h"

#define FNV_BASIS 0x811c9dc5U /* FNV-1a, 32 bits */
#define FNV_PRIME 0x01000193U

uint32_t rules_grant_mark(const struct policy_grant *grant)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	uint32_t mark = FNV_BASIS;

	policy_grant_canonical(grant, &text);
	for (size_t i = 0; i < text.length; i++)
		mark = (mark ^ (unsigned char)text.text[i]) * FNV_PRIME;
	mark |= MARK_GRANTED;
	/* The one mark with this bit that is no grant's. */
	return mark == MARK_PRIVATE ? mark + 1 : mark;
}

static struct element_list *list_for(struct grant_sets *sets, const struct policy_grant *grant)
{
	bool six = grant->address.family == AF_INET6;

	switch (grant->kind) {
	case GRANT_HOST:
		return &sets->host;
	case GRANT_LAN:
		if (grant->protocol)
			return six ? &sets->lan_ports6 : &sets->lan_ports;
		return six ? &sets->lan6 : &sets->lan;
	case GRANT_FORWARD:
		return six ? &sets->forward6 : &sets->forward;
	}
	abort();
}

static struct element_list *target_list_for(struct grant_sets *sets,
					    const struct policy_grant *grant)
{
	bool six = grant->address.family == AF_INET6;

	if (grant->via_tunnel)
		return six ? &sets->through6 : &sets->through;
	return six ? &sets->outside6 : &sets->outside;
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

		/* Nothing that is meant for a tunnel goes elsewhere. */
		if (grant->via_tunnel && !policy->tunnel)
			continue;
		element_list_add(list_for(sets, grant), &element);
		if (grant->kind == GRANT_FORWARD)
			element_list_add(target_list_for(sets, grant), &element);
		element_list_add(&sets->all, &element);
	}
}

void grant_sets_done(struct grant_sets *sets)
{
	element_list_done(&sets->lan);
	element_list_done(&sets->lan_ports);
	element_list_done(&sets->host);
	element_list_done(&sets->forward);
	element_list_done(&sets->outside);
	element_list_done(&sets->through);
	element_list_done(&sets->lan6);
	element_list_done(&sets->lan_ports6);
	element_list_done(&sets->forward6);
	element_list_done(&sets->outside6);
	element_list_done(&sets->through6);
	element_list_done(&sets->all);
}
