/* `migrant halt`: the guest shuts down; its disk stays. */
#include "command/halt.h"

#include "base/log.h"
#include "command/hooks.h"

static int shut_down(const struct project *project, unsigned int seconds, struct error *err)
{
	_cleanup_watch_ struct watch watch = WATCH_INIT;

	if (watch_begin(&watch, project->domain.handle, err) < 0)
		return -1;
	log_step("%s: asking the guest to shut down", project->config.name);
	if (domain_shut_down(&watch, seconds, err) == 0)
		return 0;
	if (err->code != EX_TEMPFAIL)
		return -1;
	error_done(err);
	log_info("it does not within %u s; turning it off", seconds);
	return domain_kill(project->domain.handle, err);
}

static int drop_memory(virDomainPtr handle, struct error *err)
{
	log_info("throwing its saved memory away");
	return domain_forget_memory(handle, err);
}

int halt_sandbox(const struct project *project, bool force, unsigned int seconds, struct error *err)
{
	const struct domain *domain = &project->domain;

	switch (domain->state) {
	case DOMAIN_RUNNING:
		/* one that nobody has waited for has nothing to save */
		if (!force && domain->definition.metadata.booted)
			return shut_down(project, seconds, err);
		return domain_kill(domain->handle, err);
	case DOMAIN_PAUSED:
		if (!force)
			log_info("the guest is paused and cannot shut down; turning it off");
		return domain_kill(domain->handle, err);
	case DOMAIN_SAVED:
		return force ? drop_memory(domain->handle, err) : 0;
	case DOMAIN_ABSENT:
	case DOMAIN_SHUTOFF:
	case DOMAIN_CRASHED:
	default:
		return 0;
	}
}

int halt_with_hooks(const struct project *project, const char *trigger, bool force,
		    unsigned int seconds, struct error *err)
{
	bool runs = trigger && project_has_guest(project);

	if (runs && !force && hooks_before(project, "pre-down", trigger, err) < 0)
		return -1;
	if (halt_sandbox(project, force, seconds, err) < 0)
		return -1;
	if (runs)
		hooks_tell(project, "post-down", trigger);
	return 0;
}

static bool has_images(const struct metadata *metadata)
{
	for (size_t i = 0; i < metadata->share_count; i++)
		if (metadata->shares[i].isolate)
			return true;
	return false;
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	bool force = option_flag(invocation, "force");
	unsigned int seconds = (unsigned int)option_number(invocation, "timeout", SHUTDOWN_SECONDS);
	const char *trigger = option_switch(invocation, "hooks", true) ? "halt" : NULL;
	bool runs, saved;

	if (project_load(&project, invocation, err) < 0 ||
	    project_lock(&project, LOCK_SECONDS, err) < 0 || project_connect(&project, err) < 0 ||
	    project_find(&project, err) < 0)
		return -1;
	runs = project_has_guest(&project);
	saved = project.domain.state == DOMAIN_SAVED;
	if (halt_with_hooks(&project, trigger, force, seconds, err) < 0)
		return -1;
	if (runs && has_images(&project.domain.definition.metadata))
		log_info(
			"the files of its shares stay in their images; 'migrant mount' shows them");
	log_step("%s: %s", project.config.name,
		 runs || (saved && force) ? "halted"
		 : saved		  ? "is suspended; with -f its memory is thrown away"
		 : project.domain.handle  ? "is halted already"
					  : "does not exist");
	return 0;
}

static const struct option options[] = {
	{'f', "force", OPTION_FLAG, NULL, "turn it off at once"},
	{0, "timeout", OPTION_NUMBER, "S", "seconds for the guest to shut down (60)"},
	{0, "hooks", OPTION_SWITCH, NULL, "run the Migrantfile's hooks (the default), or not"},
	{0},
};

const struct command command_halt = {
	.name = "halt",
	.group = "lifecycle",
	.operands = "[NAME]",
	.summary = "shut the sandbox down and keep its disk",
	.example = "migrant halt",
	.options = options,
	.operands_max = 1,
	.takes_name = true,
	.run = run,
};
