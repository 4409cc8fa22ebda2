/*
 * The verbs of migrant-helper: what a user may ask of root without being it.
 */
#ifndef HOOK_VERBS_H
#define HOOK_VERBS_H

#include "base/error.h"
#include "base/strbuf.h"

/*
 * Does @verb for sandbox @name (NULL where the verb takes none) on behalf of the user @caller. The
 * answer, one JSON document, is added to @output. EX_USAGE for anything that is not in the table,
 * EX_NOPERM for a sandbox of somebody else's, EXIT_STATE when it does not run.
 */
MUST_CHECK int verb_run(const char *verb, const char *name, uid_t caller, struct strbuf *output,
			struct error *err);

#endif
