/*
 * `migrant reset`: the loop of every day. It is an `up` that first puts the disk back, so what runs
 * afterwards has the policy of the present Migrantfile, whatever it had when the state was saved.
 */
#include "command/named.h"
#include "command/up.h"

int reset_run(struct up *up, const char *name, struct error *err)
{
	up->rewind = name;
	up->provision = UP_PROVISION_NEVER;
	return up_run(up, err);
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_up_ struct up up = UP_INIT;

	up_begin(&up, invocation);
	up.timeout = (unsigned int)option_number(invocation, "timeout", up.timeout);
	return reset_run(&up, invocation->argc ? invocation->argv[0] : SNAPSHOT_UP, err);
}

static const struct option options[] = {
	SANDBOX_OPTION,
	{0, "timeout", OPTION_NUMBER, "S", "seconds to wait for the guest (600)"},
	{0},
};

const struct command command_reset = {
	.name = "reset",
	.example = "migrant reset",
	.group = "state",
	.operands = "[SNAPSHOT]",
	.summary =
		"throw away what the guest has done, back to a snapshot or to the state after up",
	.details =
		"The guest is ended, its disk put back, and started anew with the Migrantfile as "
		"it is\nnow; from a snapshot with memory it goes on where it was. Shares stay as "
		"they "
		"are. It\ndoes not ask.\n",
	.options = options,
	.takes_snapshot = true,
	.operands_max = 1,
	.run = run,
};
