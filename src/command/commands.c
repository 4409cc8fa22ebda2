/* The table of commands, in the order in which the help lists them. */
#include "command/command.h"

extern const struct command command_version;
extern const struct command command_setup;
extern const struct command command_doctor;
extern const struct command command_pubkey;
extern const struct command command_validate;
extern const struct command command_init;
extern const struct command command_completion;

/* One a line, so that a new command is a line of its own. */
/* clang-format off */
const struct command *const commands[] = {
	&command_setup,
	&command_doctor,
	&command_version,
	&command_completion,
	&command_init,
	&command_validate,
	&command_pubkey,
	NULL,
};
/* clang-format on */
