/*
 * The <migrant:tunnel> element: what of a tunnel is no secret, for metadata.c.
 */
#ifndef HOOK_METADATA_TUNNEL_H
#define HOOK_METADATA_TUNNEL_H

#include <libxml/tree.h>
#include <libxml/xmlwriter.h>

#include "tunnel/tunnel.h"

/* Writes nothing without a tunnel. Aborts when out of memory. */
void metadata_write_tunnel(const struct tunnel *tunnel, xmlTextWriterPtr writer);

/* EX_DATAERR for another element than that; the values are tunnel_validate()'s. */
MUST_CHECK int metadata_read_tunnel(const xmlNode *node, struct tunnel *ret_tunnel,
				    struct error *err);

#endif
