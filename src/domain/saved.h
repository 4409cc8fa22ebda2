/*
 * The domain of a guest whose memory was saved, as text. Pure.
 */
#ifndef DOMAIN_SAVED_H
#define DOMAIN_SAVED_H

#include "domain/definition.h"

/*
 * What of a domain's definition the guest would notice if it went on on another: all but metadata,
 * what lies behind its disk, and the generation. NULL when @xml is not XML. The caller frees.
 */
char *saved_machine(const char *xml);

/*
 * The domain that was saved with the memory, with disk, layers, base, snapshots and metadata of
 * @definition. EX_DATAERR. The caller frees.
 */
MUST_CHECK int saved_edit(const char *xml, const struct definition *definition, char **ret_xml,
			  struct error *err);

#endif
