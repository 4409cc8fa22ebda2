/*
 * The user's sandboxes, wherever their projects lie: libvirt's own list with our metadata is the
 * only one there is.
 */
#ifndef DOMAIN_LIST_H
#define DOMAIN_LIST_H

#include "domain/domain.h"

struct listed {
	char *name;
	struct domain domain; /* without a handle when it cannot be read */
	char *problem;	      /* why it cannot be read, or NULL */
};

struct domain_list {
	struct listed *items; /* by name */
	size_t count;
};
void domain_list_done(struct domain_list *list);
#define _cleanup_domain_list_ _cleanup_(domain_list_done)

/*
 * Those of @owner; with @everybody those of every user, and those whose metadata cannot be read.
 * What migrant has not made is left out. EX_UNAVAILABLE when libvirt does not answer.
 */
MUST_CHECK int domain_list(virConnectPtr connection, uid_t owner, bool everybody,
			   struct domain_list *ret_list, struct error *err);

#endif
