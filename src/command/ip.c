/*
 * `migrant ip`: the address at which the host reaches the guest. In IPv6 there is no way from the
 * host to the guest, so what is printed then is what the guest has itself.
 */
#include <stdio.h>

#include "command/project.h"
#include "network/wire.h"

/* By the policy that is in force, not by the Migrantfile's. */
static bool has_ipv6(const struct record *record)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	struct policy policy;

	return record->policy && policy_parse(record->policy, &policy, &ignored) == 0 &&
	       policy.ipv6;
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	_cleanup_record_ struct record record = {0};

	if (project_open(&project, invocation, err) < 0 ||
	    project_require_running(&project, err) < 0)
		return -1;
	if (record_load(project.config.name, &record, err) < 0) {
		err->code = EX_SOFTWARE;
		return error_prefix(err, "the running sandbox has no gateway");
	}
	if (!option_flag(invocation, "6")) {
		puts(record.control_address);
		return 0;
	}
	if (!has_ipv6(&record)) {
		error_set(err, EXIT_STATE, "the sandbox has no IPv6");
		return error_hint(err, "`ipv6: nat` in the Migrantfile gives it some; without -6 "
				       "its IPv4 address is printed");
	}
	puts(WIRE6_GUEST);
	return 0;
}

static const struct option options[] = {
	{'6', NULL, OPTION_FLAG, NULL,
	 "the guest's own IPv6 address, which the host does not reach"},
	{0},
};

const struct command command_ip = {
	.name = "ip",
	.group = "access",
	.operands = "[NAME]",
	.summary = "print the address at which the host reaches the guest",
	.example = "ping $(migrant ip)",
	.options = options,
	.operands_max = 1,
	.takes_name = true,
	.run = run,
};
