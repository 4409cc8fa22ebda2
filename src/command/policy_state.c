/*
 * Root's record is the word on what is in force. It names no policy while one is being changed, so
 * that a change that was cut short is never taken for one that was made.
 */
#include "command/policy_state.h"

#include "network/choose.h"

bool policy_is_in_force(const struct project *project)
{
	return project->domain.state == DOMAIN_RUNNING || project->domain.state == DOMAIN_PAUSED;
}

int policy_in_force(const struct record *record, struct policy *ret_policy, struct error *err)
{
	if (!record->policy) {
		error_set(err, EXIT_STATE,
			  "the sandbox was started by an older migrant, which has not noted its "
			  "policy");
		return error_hint(err, "'migrant halt' and 'migrant up' set it up anew");
	}
	if (!*record->policy) {
		error_set(err, EX_SOFTWARE, "a change of the policy was cut short");
		return error_hint(err, "'migrant reload --policy' makes it whole");
	}
	return policy_parse(record->policy, ret_policy, err);
}

int policy_wire(const struct project *project, struct wire *ret_wire, struct error *err)
{
	if (!project->domain.handle)
		return wire_choose(ret_wire, err);
	*ret_wire = project->domain.definition.metadata.wire;
	return 0;
}

json_object *policy_ports_json(const struct policy *policy)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < policy->port_count; i++) {
		_cleanup_strbuf_ struct strbuf port = STRBUF_INIT;

		policy_port_canonical(&policy->ports[i], &port);
		json_object_array_add(list, json_object_new_string(strbuf_text(&port)));
	}
	return list;
}
