/*
 * Destroying, for commands that take back what they have made.
 */
#ifndef COMMAND_DESTROY_H
#define COMMAND_DESTROY_H

#include "command/project.h"

/*
 * Ends and deletes the sandbox of a project that is locked and has a domain, in whatever state.
 * *ret_kept disks of it stay, for its forks.
 */
MUST_CHECK int destroy_sandbox(struct project *project, unsigned int *ret_kept, struct error *err);

#endif
