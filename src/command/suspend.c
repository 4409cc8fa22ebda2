/*
 * `migrant suspend` and `migrant resume`: the guest's memory goes to the host's disk and comes
 * back. Nothing of the sandbox runs in between, and its gateway is taken away and made anew, before
 * the guest goes on.
 */
#include "base/interrupt.h"
#include "base/log.h"
#include "command/guest_shares.h"
#include "command/up.h"
#include "domain/memory.h"

static int suspend(const struct project *project, struct error *err)
{
	if (guest_shares_release(project, err) < 0)
		return -1;
	log_step("%s: saving the guest's memory", project->config.name);
	if (domain_save_memory(project->domain.handle, err) == 0)
		return 0;
	guest_shares_put_back(project);
	return -1;
}

static int open_locked(struct project *project, const struct invocation *invocation,
		       struct error *err)
{
	if (project_load(project, invocation, err) < 0 ||
	    project_lock(project, LOCK_SECONDS, err) < 0 || project_connect(project, err) < 0)
		return -1;
	return project_find(project, err);
}

static int run_suspend(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;

	if (open_locked(&project, invocation, err) < 0)
		return -1;
	if (project.domain.state == DOMAIN_SAVED) {
		log_step("%s: is suspended already", project.config.name);
		return 0;
	}
	if (project.domain.state != DOMAIN_PAUSED && project_require_running(&project, err) < 0)
		return -1;
	if (!project.domain.definition.metadata.booted)
		return error_set(err, EXIT_STATE, "the sandbox '%s' has not come up yet",
				 project.config.name);
	interrupt_catch();
	if (suspend(&project, err) < 0)
		return -1;
	log_step("%s: suspended; 'migrant resume' lets it go on", project.config.name);
	return 0;
}

static int run_resume(const struct invocation *invocation, struct error *err)
{
	_cleanup_up_ struct up up = UP_INIT;
	enum domain_state state;

	up_begin(&up, invocation);
	if (project_open(&up.project, invocation, err) < 0)
		return -1;
	state = up.project.domain.state;
	if (state != DOMAIN_SAVED && state != DOMAIN_PAUSED && state != DOMAIN_RUNNING) {
		error_set(err, EXIT_STATE, "the sandbox '%s' is not suspended (%s)",
			  up.project.config.name, domain_state_name(state));
		return error_hint(err, "'migrant up' starts it");
	}
	project_done(&up.project); /* what is there when the lock is held counts */
	up.provision = UP_PROVISION_NEVER;
	return up_run(&up, err);
}

const struct command command_suspend = {
	.name = "suspend",
	.example = "migrant suspend",
	.group = "lifecycle",
	.operands = "[NAME]",
	.operands_max = 1,
	.takes_name = true,
	.summary = "save the guest's memory and end it; resume goes on where it was",
	.details = "Connections that the guest has break off. Shares are unmounted in the guest "
		   "before; "
		   "a\nprogram that uses one stops it.\n",
	.run = run_suspend,
};

const struct command command_resume = {
	.name = "resume",
	.example = "migrant resume",
	.group = "lifecycle",
	.operands = "[NAME]",
	.operands_max = 1,
	.takes_name = true,
	.summary = "let a suspended sandbox go on",
	.run = run_resume,
};
