/*
 * The domain of a sandbox in libvirt: looking it up, whose it is, starting and ending it.
 */
#ifndef DOMAIN_DOMAIN_H
#define DOMAIN_DOMAIN_H

#include <libvirt/libvirt.h>

#include "base/error.h"
#include "domain/definition.h"
#include "domain/wait.h"

enum domain_state {
	DOMAIN_ABSENT,
	DOMAIN_RUNNING,
	DOMAIN_SHUTOFF,
	DOMAIN_PAUSED,
	DOMAIN_SAVED,
	DOMAIN_CRASHED,
};

/* "absent", "running", … as in `status`. */
const char *domain_state_name(enum domain_state state);

struct domain {
	virDomainPtr handle; /* NULL when absent */
	enum domain_state state;
	struct definition definition; /* the persistent one */
};

#define DOMAIN_INIT \
	{           \
		0   \
	}
#define _cleanup_domain_ _cleanup_(domain_done)
void domain_done(struct domain *domain);

/*
 * Looks the sandbox @name up. Success with DOMAIN_ABSENT when there is no such domain;
 * EX_CANTCREAT when there is one without our metadata (it is none of our business), EX_DATAERR when
 * the metadata are broken or of another version.
 */
MUST_CHECK int domain_find(virConnectPtr connection, const char *name, struct domain *ret_domain,
			   struct error *err);

/*
 * Refuses a sandbox of another user (EX_NOPERM) or of another directory (EX_CANTCREAT): names are
 * unique on the host. An absent one is anybody's.
 */
MUST_CHECK int domain_check_owner(const struct domain *domain, uid_t owner, const char *directory,
				  struct error *err);

/* The state at this moment; DOMAIN_ABSENT when it is gone. */
enum domain_state domain_current_state(virDomainPtr handle);

/*
 * Defines (or redefines) the domain. A name that another UUID holds is EX_CANTCREAT: of two who
 * define at once, one gets it. *ret_handle may be NULL.
 */
MUST_CHECK int domain_define(virConnectPtr connection, const char *xml, virDomainPtr *ret_handle,
			     struct error *err);

/*
 * Takes the limit of domain_limit_memory() out of saved memory, before the guest is started from
 * it: libvirt has written it down there and would let QEMU lock that much. No saved memory is fine.
 */
MUST_CHECK int domain_unlimit_saved(virDomainPtr handle, struct error *err);

/*
 * Limits what a running (or paused) guest and its QEMU use on the host. EX_UNAVAILABLE where the
 * host has no memory cgroup.
 */
MUST_CHECK int domain_limit_memory(virDomainPtr handle, uint64_t bytes, struct error *err);

/* Starts it without running its processors. The hook's refusal comes out as its own error. */
MUST_CHECK int domain_start_paused(virDomainPtr handle, struct error *err);
MUST_CHECK int domain_resume(virDomainPtr handle, struct error *err);

/* Ends it at once, whatever it does; not running or gone is fine. EX_SOFTWARE. */
MUST_CHECK int domain_kill(virDomainPtr handle, struct error *err);

/*
 * Asks the guest to shut down and waits @seconds for it. EX_TEMPFAIL when it does not. The watch
 * has begun before.
 */
MUST_CHECK int domain_shut_down(struct watch *watch, unsigned int seconds, struct error *err);

/* Removes what was saved of its memory; nothing is fine. EX_SOFTWARE. */
MUST_CHECK int domain_forget_memory(virDomainPtr handle, struct error *err);

/* Removes the definition with its saved memory and NVRAM; gone is fine. */
MUST_CHECK int domain_undefine(virDomainPtr handle, struct error *err);

/*
 * Takes the seed out of the running guest and waits @seconds for the guest to let go: EX_TEMPFAIL
 * when it does not. Not there is fine.
 */
MUST_CHECK int domain_detach_seed(struct watch *watch, unsigned int seconds, struct error *err);

#endif
