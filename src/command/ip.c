/* `migrant ip`: the address at which the host reaches the guest. */
#include <stdio.h>

#include "command/project.h"

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	_cleanup_record_ struct record record = {0};

	if (project_open(&project, invocation, err) < 0 ||
	    project_require_running(&project, err) < 0)
		return -1;
	if (option_flag(invocation, "6")) {
		error_set(err, EXIT_STATE, "the sandbox has no IPv6 address");
		return error_hint(err, "without -6 its IPv4 address is printed");
	}
	if (record_load(project.config.name, &record, err) < 0) {
		err->code = EX_SOFTWARE;
		return error_prefix(err, "the running sandbox has no gateway");
	}
	puts(record.control_address);
	return 0;
}

static const struct option options[] = {
	{'6', NULL, OPTION_FLAG, NULL, "the IPv6 address"},
	{0},
};

const struct command command_ip = {
	.name = "ip",
	.group = "access",
	.summary = "print the address at which the host reaches the guest",
	.options = options,
	.run = run,
};
