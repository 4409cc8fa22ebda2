/* `migrant version`. */
#include "command/command.h"

#include <stdio.h>

#include "base/version.h"

static int run(const struct invocation *invocation, struct error *err)
{
	(void)invocation;
	(void)err;
	printf("migrant %s\n", MIGRANT_VERSION);
	return 0;
}

const struct command command_version = {
	.name = "version",
	.group = "host",
	.summary = "print the version",
	.example = "migrant version",
	.run = run,
};
