/*
 * The metadata of a domain that runs: libvirt keeps one of the running domain beside that of its
 * definition.
 */
#ifndef DOMAIN_LIVE_H
#define DOMAIN_LIVE_H

#include <libvirt/libvirt.h>

#include "base/error.h"
#include "hook/protocol.h"

/* Reads the running domain's. EX_SOFTWARE, EX_DATAERR. */
MUST_CHECK int live_metadata(virDomainPtr handle, struct metadata *ret_metadata, struct error *err);

/* The <migrant:sandbox> element as a document of its own; the caller frees. */
char *metadata_document(const struct metadata *metadata);

enum live_which {
	LIVE_RUNNING,	 /* the running domain's */
	LIVE_DEFINITION, /* what it will be started with next */
};

/* Replaces our element in one of them and leaves the rest of the domain alone. EX_SOFTWARE. */
MUST_CHECK int live_store_metadata(virDomainPtr handle, const struct metadata *metadata,
				   enum live_which which, struct error *err);

#endif
