/*
 * What is wrong with a policy on this host, though not with its Migrantfile.
 */
#ifndef COMMAND_POLICY_CHECK_H
#define COMMAND_POLICY_CHECK_H

#include "config/config.h"
#include "network/policy.h"

/* What the host is: given, so that the check can be tested. */
struct policy_surroundings {
	const struct wire *wire;   /* of the sandbox */
	const struct prefix *pool; /* of the links between host and sandboxes */
	const struct address *own; /* the host's addresses */
	size_t own_count;
};

/*
 * EX_CONFIG, with the place in the Migrantfile, for a grant whose target is an address of the host,
 * of the sandbox's own wire or of a sandbox's link, and for a port bound to an address that the
 * host does not have. Pure.
 */
MUST_CHECK int policy_check_among(const struct config *config,
				  const struct policy_surroundings *surroundings,
				  struct error *err);

/* The same for this host as it is now. */
MUST_CHECK int policy_check(const struct config *config, const struct wire *wire,
			    struct error *err);

#endif
