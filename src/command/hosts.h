/*
 * The sandboxes of one project, as hosts of a playbook's inventory.
 */
#ifndef COMMAND_HOSTS_H
#define COMMAND_HOSTS_H

#include "command/project.h"

struct host_list {
	struct guest_access
		*items; /* the project's own first; borrow from @owned and the caller's */
	size_t count;
	struct project_access *owned; /* of the others */
	size_t owned_count;
	struct domain_list *domains;
};
#define _cleanup_hosts_ _cleanup_(hosts_done)
void hosts_done(struct host_list *hosts);

/*
 * The sandbox itself, which runs and is reached by @access, and all others of its directory that
 * run (forks). One that cannot be reached is left out.
 */
void hosts_find(const struct project *project, const struct guest_access *access,
		struct host_list *ret_hosts);

#endif
