/*
 * Reading back what domain_xml() once wrote and libvirt has kept: how a sandbox that exists boots.
 */
#ifndef DOMAIN_DEFINITION_H
#define DOMAIN_DEFINITION_H

#include <stdbool.h>

#include "base/error.h"
#include "hook/protocol.h"

struct definition {
	struct metadata metadata;
	char *base, *base_format;	 /* path and format of the overlay's base */
	char *kernel, *initrd, *cmdline; /* NULL: none */
	bool uefi;
	bool nested; /* the guest sees the processor's virtualisation */
};

/*
 * Pure. EX_CANTCREAT when the XML holds no metadata of ours, EX_DATAERR when they are broken or the
 * disk is not as we define it.
 */
MUST_CHECK int definition_parse(const char *xml, struct definition *ret_definition,
				struct error *err);
void definition_done(struct definition *definition);
#define _cleanup_definition_ _cleanup_(definition_done)

#endif
