/* The parts of `migrant logs`. */
#ifndef COMMAND_LOGS_H
#define COMMAND_LOGS_H

#include "command/project.h"
#include "hook/event.h"

/*
 * The time from which on `--since` (@text, or NULL: all) wants lines, as the logs have it: to be
 * compared as text. "2h" is before now; the beginning of a time is that time. EX_USAGE.
 */
MUST_CHECK int logs_since(const char *text, char ret_time[EVENT_TIME_MAX], struct error *err);

/* What `up` and `provision` have said of the sandbox @name, as the options of `logs` say. */
MUST_CHECK int logs_provision(const struct invocation *invocation, const char *name,
			      struct error *err);

/* What the sandbox @name did on the network, as the options of `logs` say. */
MUST_CHECK int logs_network(const struct invocation *invocation, const char *name,
			    struct error *err);

#endif
