/* `migrant provision`: runs the Migrantfile's provisioners again in the running sandbox. */
#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"
#include "command/disks.h"
#include "command/hosts.h"
#include "provision/journal.h"
#include "provision/provision.h"

/* True when @name means this one: its name, its file as written, or its kind. */
static bool is_meant(const struct config_provision *provision, const char *name)
{
	return !name || text_equal(provision->name, name) || text_equal(provision->file, name) ||
	       text_equal(config_provision_kind(provision), name);
}

static int no_such(const char *name, struct error *err)
{
	if (!name) {
		log_info("nothing to do: the Migrantfile names no provisioner");
		return 0;
	}
	error_set(err, EX_USAGE, "the Migrantfile has no provisioner '%s'", name);
	return error_hint(
		err, "a provisioner is called by its name, its file or its kind, as written there");
}

static int run_each(const struct config *config, const char *name, const struct host_list *hosts,
		    struct error *err)
{
	bool any = false;

	for (size_t i = 0; i < config->provision_count; i++) {
		if (!is_meant(&config->provision[i], name))
			continue;
		any = true;
		if (provision_run_one(config, &config->provision[i], hosts->items, hosts->count,
				      err) < 0)
			return -1;
	}
	return any ? 0 : no_such(name, err);
}

/* An `up` that got no further than this has kept nothing for `reset`. */
static void keep_first(struct project *project)
{
	_cleanup_error_ struct error why = ERROR_INIT;

	if (snapshots_find(&project->domain.definition.snapshots, SNAPSHOT_UP))
		return;
	disks_sync(project);
	if (disks_save(project, SNAPSHOT_UP, NULL, false, &why) < 0)
		log_warning("this state is not kept, 'migrant reset' will not work: %s",
			    why.message);
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	_cleanup_access_ struct project_access access = {0};
	_cleanup_hosts_ struct host_list hosts = {0};
	const char *with = option_text(invocation, "with");

	if (project_load(&project, invocation, err) < 0 ||
	    project_require_file(&project, err) < 0 ||
	    config_check_files(&project.config, err) < 0 ||
	    config_require_built(&project.config, err) < 0)
		return -1;
	interrupt_catch();
	if (project_lock(&project, LOCK_SECONDS, err) < 0 || project_connect(&project, err) < 0 ||
	    project_find(&project, err) < 0 || project_require_running(&project, err) < 0 ||
	    project_find_access(&project, &access, err) < 0)
		return -1;
	journal_begin(project.config.name);
	hosts_find(&project, &access.access, &hosts);
	if (run_each(&project.config, with, &hosts, err) < 0)
		return -1;
	if (!with)
		keep_first(&project);
	return 0;
}

static const struct option options[] = {
	{0, "with", OPTION_TEXT, "NAME", "only this one, by its name, its file or its kind"},
	{0},
};

const struct command command_provision = {
	.name = "provision",
	.group = "provision",
	.summary = "run the provisioners again in the running sandbox",
	.example = "migrant provision --with playbook.yml",
	.details = "When one fails, the guest runs on as it is.\n",
	.operands = "[NAME]",
	.operands_max = 1,
	.takes_name = true,
	.options = options,
	.run = run,
};
