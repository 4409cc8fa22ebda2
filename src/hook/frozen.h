/*
 * What lies below a sandbox's disk is read by its QEMU and written by nobody.
 */
#ifndef HOOK_FROZEN_H
#define HOOK_FROZEN_H

#include <libxml/tree.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/lines.h"

struct frozen {
	struct lines names; /* of volumes in the pool */
	gid_t group;	    /* of QEMU, as libvirt labels the domain; 0: not known */
};

/* Finds them in a domain that the whitelist has let pass. Pure. */
void frozen_read(const xmlNode *domain, struct frozen *ret_frozen);

/*
 * Makes them root's, for QEMU's group to read. EX_NOPERM for what is no plain file, EX_NOINPUT when
 * one has gone.
 */
MUST_CHECK int frozen_protect(const struct frozen *frozen, struct error *err);

void frozen_done(struct frozen *frozen);

#endif
