/* The parts of `migrant logs`. */
#ifndef COMMAND_LOGS_H
#define COMMAND_LOGS_H

#include "command/project.h"

/* What the sandbox @name did on the network, as the options of `logs` say. */
MUST_CHECK int logs_network(const struct invocation *invocation, const char *name,
			    struct error *err);

#endif
