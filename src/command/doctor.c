/* `migrant doctor`: looks at everything that a host needs, and changes nothing. */
#include "command/command.h"

#include "command/host.h"

static int run(const struct invocation *invocation, struct error *err)
{
	unsigned int errors;

	host_report(option_flag(invocation, "json"), &errors);
	if (!errors)
		return 0;
	error_set(err, EX_UNAVAILABLE, "%u check%s failed", errors, errors == 1 ? "" : "s");
	return error_hint(err, "sudo migrant setup puts right what it can");
}

static const struct option options[] = {
	{0, "json", OPTION_FLAG, NULL, "print one JSON document"},
	{0},
};

const struct command command_doctor = {
	.name = "doctor",
	.group = "host",
	.summary = "look at the host and say what is missing",
	.example = "migrant doctor --json",
	.details = "Ends with 0 when nothing is wrong (warnings are not), else with 69.\n",
	.options = options,
	.run = run,
};
