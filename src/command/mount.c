/*
 * `migrant mount` and `migrant unmount`: the files of the shares while no guest runs. Root mounts
 * them; whose they are and where they may appear, it judges itself.
 */
#include "base/log.h"
#include "base/text.h"
#include "command/stored.h"
#include "command/shares.h"

static int open_locked(struct project *project, const struct invocation *invocation,
		       struct error *err)
{
	if (project_load(project, invocation, err) < 0 ||
	    project_lock(project, LOCK_SECONDS, err) < 0 || project_connect(project, err) < 0)
		return -1;
	return project_find(project, err);
}

static bool is_running(const struct project *project)
{
	return project->domain.state == DOMAIN_RUNNING || project->domain.state == DOMAIN_PAUSED;
}

static size_t count_isolated(const struct config *config)
{
	size_t count = 0;

	for (size_t i = 0; i < config->share_count; i++)
		count += config->shares[i].isolate;
	return count;
}

static int run_mount(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	const struct config *config = &project.config;

	if (open_locked(&project, invocation, err) < 0 || project_require_file(&project, err) < 0 ||
	    config_check_files(config, err) < 0)
		return -1;
	if (count_isolated(config) == 0) {
		log_step("%s: the Migrantfile has no share with an image", config->name);
		return 0;
	}
	if (is_running(&project)) {
		log_step("%s: runs, so its shares are mounted", config->name);
		return 0;
	}
	if (shares_check_places(config, "mount", err) < 0 || stored_mount(&project, err) < 0)
		return -1;
	for (size_t i = 0; i < config->share_count; i++)
		if (config->shares[i].isolate)
			log_step("%s: %s is mounted", config->name, config->shares[i].host);
	return 0;
}

static int run_unmount(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;

	if (open_locked(&project, invocation, err) < 0)
		return -1;
	if (is_running(&project)) {
		error_set(err, EXIT_STATE, "the sandbox '%s' runs: its shares stay mounted as long",
			  project.config.name);
		return error_hint(err, "'migrant halt' ends it");
	}
	if (stored_unmount(project.config.name, err) < 0)
		return -1;
	log_step("%s: its shares are not mounted", project.config.name);
	return 0;
}

const struct command command_mount = {
	.name = "mount",
	.group = "shares",
	.summary = "show the shares' files while the guest does not run",
	.example = "migrant mount",
	.operands = "[NAME]",
	.operands_max = 1,
	.takes_name = true,
	.run = run_mount,
};

const struct command command_unmount = {
	.name = "unmount",
	.group = "shares",
	.summary = "end what `mount` began",
	.example = "migrant unmount",
	.operands = "[NAME]",
	.operands_max = 1,
	.takes_name = true,
	.run = run_unmount,
};
