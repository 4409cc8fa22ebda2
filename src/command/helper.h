/*
 * Asking the root side for what no hook is called for.
 */
#ifndef COMMAND_HELPER_H
#define COMMAND_HELPER_H

#include "base/error.h"
#include "base/strbuf.h"

/*
 * Runs `migrant-helper VERB NAME`; *output gets its JSON document. EX_UNAVAILABLE when it is not
 * installed or may not be run; what it refuses comes out as its own error.
 */
MUST_CHECK int helper_run(const char *verb, const char *name, struct strbuf *output,
			  struct error *err);

/* The same for a verb that takes more than a name: @input goes to its stdin. */
MUST_CHECK int helper_tell(const char *verb, const char *name, const char *input,
			   struct strbuf *output, struct error *err);

/*
 * Takes away what is left of a sandbox that does not run: its logs, and what a killed hook has left
 * (namespace, links, record). Nothing left is fine.
 */
MUST_CHECK int helper_cleanup(const char *name, struct error *err);

/* What a killed hook has left of a sandbox, as a path, or NULL; the caller frees. */
char *helper_leftover(const char *name);

#endif
