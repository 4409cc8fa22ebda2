/* `migrant validate`: reads the Migrantfile, and the tunnel's file, and changes nothing. */
#include "command/command.h"

#include <stdio.h>

#include "base/text.h"
#include "command/tunnel_file.h"
#include "config/config.h"

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_config_ struct config config = {0};
	_cleanup_free_ char *file = NULL;

	if (config_load(invocation->directory, &config, err) < 0 ||
	    config_check_files(&config, err) < 0 || tunnel_file_valid(&config, err) < 0)
		return -1;
	file = text_escape(config.file, strlen(config.file), false);
	printf("%s: valid\n", file);
	return 0;
}

const struct command command_validate = {
	.name = "validate",
	.group = "project",
	.summary = "check the Migrantfile and change nothing",
	.example = "migrant -C ~/my-project validate",
	.details = "Prints FILE:LINE:COLUMN, the line and a caret for the first mistake, and exits "
		   "78.\n"
		   "A key that this version does not do yet is valid here and stops `up`.\n",
	.run = run,
};
