/*
 * Reading back what domain_xml() once wrote and libvirt has kept: how a sandbox that exists boots.
 */
#ifndef DOMAIN_DEFINITION_H
#define DOMAIN_DEFINITION_H

#include <stdbool.h>

#include "base/error.h"
#include "domain/snapshots.h"
#include "hook/protocol.h"

struct definition {
	struct metadata metadata;
	struct snapshots snapshots;
	char *disk;    /* path of the volume that the guest writes to */
	char **layers; /* paths of the frozen ones below it, topmost first; NULL-terminated */
	char *base, *base_format;	 /* path and format of a box's image, or of a layer … */
	char *below, *below_format;	 /* … and then of the image below that; else NULL */
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

/*
 * The domain's XML with disk, layers, base and snapshots taken from @definition and all else as it
 * is. Pure. EX_DATAERR. The caller frees.
 */
MUST_CHECK int definition_edit(const char *xml, const struct definition *definition, char **ret_xml,
			       struct error *err);

void definition_done(struct definition *definition);
#define _cleanup_definition_ _cleanup_(definition_done)

#endif
