/*
 * From what a Migrantfile says under `network:` to the policy that the root side makes real.
 */
#ifndef COMMAND_POLICY_FROM_CONFIG_H
#define COMMAND_POLICY_FROM_CONFIG_H

#include "config/config.h"
#include "network/policy.h"
#include "tunnel/wireguard.h"

/*
 * @wireguard is what the tunnel's file holds, if there is to be one: it decides on IPv6. NULL where
 * that is not known. What is refused as not built yet (config_require_built()) has no place in a
 * policy: `egress: list` becomes `none`, which is what is left of it. Pure.
 */
void policy_from_config(const struct config *config, const struct wireguard *wireguard,
			struct policy *ret_policy);

#endif
