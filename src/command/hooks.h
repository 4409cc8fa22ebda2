/*
 * The lifecycle hooks of a project around what a command does.
 */
#ifndef COMMAND_HOOKS_H
#define COMMAND_HOOKS_H

#include "command/project.h"

/*
 * Before: runs @hook ("pre-up", "pre-down"), whose failure stops what it was run for. @trigger is
 * the command's name. Errors as lifecycle_run(), with the way out.
 */
MUST_CHECK int hooks_before(const struct project *project, const char *hook, const char *trigger,
			    struct error *err);

/* The same for what no hook can stop (`destroy`, `reset`), and after: its failure is told. */
void hooks_tell(const struct project *project, const char *hook, const char *trigger);

#endif
