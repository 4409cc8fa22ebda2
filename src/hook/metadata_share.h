/*
 * A share as an element of the metadata, for metadata.c.
 */
#ifndef HOOK_METADATA_SHARE_H
#define HOOK_METADATA_SHARE_H

#include <libxml/tree.h>
#include <libxml/xmlwriter.h>

#include "share/share.h"

/* Aborts when out of memory. */
void metadata_write_share(const struct share *share, xmlTextWriterPtr writer);

/*
 * Fills *share, which is empty before and the caller's to share_done() whatever comes. EX_DATAERR
 * for another element than metadata_write_share() writes; the values are share_validate()'s.
 */
MUST_CHECK int metadata_read_share(const xmlNode *node, struct share *share, struct error *err);

#endif
