/*
 * A guest's memory on the host's disk, and what has to leave the guest before it can go there.
 */
#ifndef DOMAIN_MEMORY_H
#define DOMAIN_MEMORY_H

#include "domain/domain.h"

/*
 * Saves the memory of a running or paused guest, which ends with that. The next start goes on from
 * it. When it fails (EX_IOERR, EX_SOFTWARE) the guest goes on as it was.
 */
MUST_CHECK int domain_save_memory(virDomainPtr handle, struct error *err);

/*
 * The domain that was saved with the memory in the file at @path. EX_DATAERR when that is missing
 * or not what libvirt writes. The caller frees.
 */
MUST_CHECK int domain_read_memory(virConnectPtr connection, const char *path, char **ret_xml,
				  struct error *err);

/*
 * Starts the halted domain from that file, without running it, as @xml says. The file stays.
 * EX_SOFTWARE, and the domain is halted.
 */
MUST_CHECK int domain_restore_paused(virConnectPtr connection, const char *path, const char *xml,
				     struct error *err);

/*
 * Takes the folder @index of the sandbox @name out of the watched guest, which has to let go of it
 * within @seconds: EX_TEMPFAIL when it does not. Not there is fine.
 */
MUST_CHECK int domain_detach_share(struct watch *watch, const char *name, size_t index,
				   unsigned int seconds, struct error *err);

/* Whether the running guest has it. */
bool domain_has_share(virDomainPtr handle, size_t index);

/* Puts it back; there already is fine. EX_SOFTWARE. */
MUST_CHECK int domain_attach_share(virDomainPtr handle, const char *name, size_t index,
				   struct error *err);

#endif
