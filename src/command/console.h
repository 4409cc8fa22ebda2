/* The guest's serial console on the user's terminal. */
#ifndef COMMAND_CONSOLE_H
#define COMMAND_CONSOLE_H

#include "command/project.h"

/*
 * Shows it until Ctrl+] or the guest's end; @is_raw: not filtered. The user is at a terminal.
 * EX_UNAVAILABLE; 128+signal when interrupted.
 */
MUST_CHECK int console_show(const struct project *project, bool is_raw, struct error *err);

#endif
