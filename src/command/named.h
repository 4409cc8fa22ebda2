/*
 * A sandbox that is meant by its name, from whatever directory: `migrant ssh NAME`.
 */
#ifndef COMMAND_NAMED_H
#define COMMAND_NAMED_H

#include "command/project.h"

/* For a command whose operands are something else than a sandbox's name: an entry of its options.
 */
#define SANDBOX_OPTION                                                                             \
	{                                                                                          \
		's', "sandbox", OPTION_TEXT, "NAME", "the sandbox of that name, as a fork has one" \
	}

/*
 * The sandbox's name among the operands of a command that takes one (`takes_name`), or that of its
 * SANDBOX_OPTION; NULL: the Migrantfile says which.
 */
const char *named_sandbox(const struct invocation *invocation);

/*
 * The name in "NAME:path" (the caller frees; empty in ":path": the Migrantfile says which), and
 * the path behind it, borrowed. NULL for a path of the host: one without a name and a colon at its
 * beginning.
 */
char *named_path(const char *operand, const char **ret_path);

/*
 * Connects, and fills the project's configuration for the sandbox @name of this user: from the
 * Migrantfile of the directory that its metadata name, and where that is gone or speaks of another
 * sandbox by now, from the metadata (has_file is false then, and name, directory and user are all
 * there is). EX_USAGE when @name can be no name, EXIT_STATE when there is no such sandbox,
 * EX_NOPERM when it is another user's.
 */
MUST_CHECK int named_load(struct project *project, const char *name, struct error *err);

#endif
