/* Which process a sandbox's keeper is. */
#ifndef HOOK_KEEPER_PROCESS_H
#define HOOK_KEEPER_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

#define KEEPER_PID_FILE "keeper.pid"

/* Notes @pid as the sandbox's keeper. EX_OSERR and what file_replace() says. */
MUST_CHECK int keeper_note(const char *name, pid_t pid, struct error *err);

/*
 * The process that was noted, as a pidfd; -1 when there is none, or it has ended, or its number is
 * another process's by now.
 */
int keeper_open_noted(const char *name);

/*
 * Ends whatever is called like a keeper of @name but @spared, and waits for that. @spared 0: also
 * the noted one, whatever it is called.
 */
MUST_CHECK int keeper_end_others(const char *name, pid_t spared, struct error *err);

#endif
