/*
 * Halting, for the commands that do it on the way to something else.
 */
#ifndef COMMAND_HALT_H
#define COMMAND_HALT_H

#include "command/project.h"

#define SHUTDOWN_SECONDS 60

/*
 * Ends the guest of a project that is locked: shuts it down and, when it does not within @seconds
 * or cannot, turns it off; @force: turns it off at once. Not running is fine.
 */
MUST_CHECK int halt_sandbox(const struct project *project, bool force, unsigned int seconds,
			    struct error *err);

/*
 * The same with the lifecycle hooks of a guest that runs: pre-down can stop it (unless @force, when
 * it is not run), post-down is told. @trigger: the command; NULL: without hooks.
 */
MUST_CHECK int halt_with_hooks(const struct project *project, const char *trigger, bool force,
			       unsigned int seconds, struct error *err);

#endif
