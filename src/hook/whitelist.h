/*
 * What a domain of ours may consist of.
 */
#ifndef HOOK_WHITELIST_H
#define HOOK_WHITELIST_H

#include "hook/protocol.h"

/*
 * Refuses (EX_NOPERM, naming the place) a domain that holds anything but what `migrant` puts into
 * it and libvirt adds to that. @root is <domain>, @metadata what it says of itself.
 */
MUST_CHECK int whitelist_check(const xmlNode *root, const struct metadata *metadata,
			       struct error *err);

/*
 * Whether a domain without our metadata has what only a sandbox has: a NIC on one of our taps or a
 * disk of ours. Somebody took the metadata away.
 */
bool whitelist_resembles(const xmlNode *root);

#endif
