/*
 * The <migrant:network> element: the policy in a domain's metadata.
 */
#ifndef HOOK_METADATA_NETWORK_H
#define HOOK_METADATA_NETWORK_H

#include "hook/element.h"
#include "network/policy.h"

void metadata_network_write(const struct policy *policy, xmlTextWriterPtr writer);

/*
 * Reads the element as it was in metadata of @version; what that version could not say gets its
 * default. The values are not validated (policy_validate()). EX_DATAERR on anything unknown.
 */
MUST_CHECK int metadata_network_read(const xmlNode *node, unsigned int version,
				     struct policy *ret_policy, struct error *err);

#endif
