/*
 * From what a Migrantfile says under `network:` to the policy that the root side makes real.
 */
#ifndef COMMAND_POLICY_FROM_CONFIG_H
#define COMMAND_POLICY_FROM_CONFIG_H

#include "config/config.h"
#include "network/policy.h"

/*
 * What is refused as not built yet (config_require_built()) has no place in a policy: `egress:
 * list` becomes `none`, which is what is left of it. Pure.
 */
void policy_from_config(const struct config_network *network, struct policy *ret_policy);

#endif
