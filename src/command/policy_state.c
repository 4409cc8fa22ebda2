/*
 * Root's record is the word on what is in force. It names no policy while one is being changed, so
 * that a change that was cut short is never taken for one that was made.
 */
#include "command/policy_state.h"

#include <string.h>

#include "base/text.h"
#include "command/tunnel_file.h"
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

bool policy_is_outdated(const struct project *project)
{
	_cleanup_record_ struct record record = {0};
	_cleanup_error_ struct error ignored = ERROR_INIT;
	struct policy in_force, wanted;

	if (!policy_is_in_force(project) || !project->has_file ||
	    record_load(project->config.name, &record, &ignored) < 0 ||
	    policy_in_force(&record, &in_force, &ignored) < 0 ||
	    policy_wanted(&project->config, &wanted, &ignored) < 0)
		return false;
	/* A tunnel is not changed by reloading: tunnel_is_outdated() tells. */
	return wanted.tunnel == in_force.tunnel && !policy_equal(&in_force, &wanted);
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
	char address[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < policy->port_count; i++) {
		const struct policy_port *port = &policy->ports[i];
		json_object *entry = json_object_new_object();

		address_format(&port->bind, address);
		json_object_object_add(entry, "bind", json_object_new_string(address));
		json_object_object_add(entry, "host", json_object_new_int(port->host));
		json_object_object_add(entry, "guest", json_object_new_int(port->guest));
		json_object_array_add(list, entry);
	}
	return list;
}

char *policy_port_line(json_object *entry)
{
	const char *address = json_object_get_string(json_object_object_get(entry, "bind"));
	const bool is_ipv6 = strchr(address, ':');

	return text_format("%s%s%s:%d to port %d of the guest", is_ipv6 ? "[" : "", address,
			   is_ipv6 ? "]" : "",
			   json_object_get_int(json_object_object_get(entry, "host")),
			   json_object_get_int(json_object_object_get(entry, "guest")));
}
