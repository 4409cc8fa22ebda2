/*
 * Which policy is meant: what root has put into force, what the running domain says, what the
 * Migrantfile says.
 */
#ifndef COMMAND_POLICY_STATE_H
#define COMMAND_POLICY_STATE_H

#include <json-c/json.h>

#include "command/project.h"
#include "network/policy.h"

/* True when the sandbox has a gateway: its guest runs or is paused. */
bool policy_is_in_force(const struct project *project);

/*
 * The policy in the record of a running sandbox. EX_SOFTWARE, with the way out, when a change of it
 * was cut short; EXIT_STATE when an older hook has written none.
 */
MUST_CHECK int policy_in_force(const struct record *record, struct policy *ret_policy,
			       struct error *err);

/* True when the policy in force is known and the Migrantfile has another one. */
bool policy_is_outdated(const struct project *project);

/*
 * The wire of the sandbox, or what a new one would get. Errors as wire_choose().
 */
MUST_CHECK int policy_wire(const struct project *project, struct wire *ret_wire, struct error *err);

/* `ports` for those commands that answer in JSON: objects with bind, host, guest. */
json_object *policy_ports_json(const struct policy *policy);

/* One of them for people, "127.0.0.1:8080 to port 80 of the guest"; the caller frees. */
char *policy_port_line(json_object *entry);

#define POLICY_OUTDATED \
	"the Migrantfile has another network policy: 'migrant reload --policy' applies it"

#endif
