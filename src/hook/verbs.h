/*
 * The verbs of migrant-helper: what a user may ask of root without being it.
 */
#ifndef HOOK_VERBS_H
#define HOOK_VERBS_H

#include "base/error.h"
#include "base/strbuf.h"

/* What a verb works on. */
struct verb_args {
	const char *name;
	uid_t caller;
	const char *input; /* with INPUT */
	size_t length;
};

/* What is asked for, and by whom. */
struct verb_call {
	const char *verb;
	const char *name; /* of the sandbox; NULL where the verb takes none */
	uid_t caller;
	int input; /* descriptor, read by verbs that take more than a name: HELPER_INPUT_MAX */
};

/*
 * Does it. The answer, one JSON document, is added to @output. EX_USAGE for anything that is not in
 * the table, EX_NOPERM for a sandbox of somebody else's, EXIT_STATE when it does not run.
 */
MUST_CHECK int verb_run(const struct verb_call *call, struct strbuf *output, struct error *err);

#endif
