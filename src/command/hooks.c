/*
 * Which hooks can stop what is in docs/hooks.md. The address is root's
 * record's, so it is there as long as the guest has a gateway.
 */
#include "command/hooks.h"

#include "base/log.h"
#include "base/text.h"
#include "provision/lifecycle.h"

static int run_hook(const struct project *project, const char *hook, const char *trigger,
		    struct error *err)
{
	_cleanup_record_ struct record record = {0};
	_cleanup_error_ struct error none = ERROR_INIT;
	const struct lifecycle_event event = {
		.hook = hook,
		.trigger = trigger,
		.address = record_load(project->config.name, &record, &none) == 0
				   ? record.control_address
				   : NULL,
		.seconds = LIFECYCLE_SECONDS,
	};

	return lifecycle_run(&project->config, &event, err);
}

int hooks_before(const struct project *project, const char *hook, const char *trigger,
		 struct error *err)
{
	if (run_hook(project, hook, trigger, err) == 0)
		return 0;
	return error_hint(err, "it stops '%s'; 'hooks: none' in the Migrantfile leaves it out",
			  trigger);
}

void hooks_tell(const struct project *project, const char *hook, const char *trigger)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (run_hook(project, hook, trigger, &err) < 0)
		log_warning("%s", err.message);
}
