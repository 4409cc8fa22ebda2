/*
 * The <migrant:network> element: the policy in a domain's metadata.
 */
#ifndef HOOK_METADATA_NETWORK_H
#define HOOK_METADATA_NETWORK_H

#include "hook/element.h"
#include "network/policy.h"

void metadata_network_write(const struct policy *policy, xmlTextWriterPtr writer);

/*
 * Reads the element. The values are not validated (policy_validate()), and policy.tunnel is the
 * metadata's to set. EX_DATAERR on anything unknown.
 */
MUST_CHECK int metadata_network_read(const xmlNode *node, struct policy *ret_policy,
				     struct error *err);

#endif
