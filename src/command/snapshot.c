/*
 * `migrant snapshot …`: states of the disk to come back to. Shares are no part of them: they are
 * folders of the user's, and going back must not undo what was saved into those.
 */
#include <stdio.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "command/disks.h"
#include "command/named.h"
#include "command/snapshot_show.h"
#include "command/up.h"

static int open_locked(struct project *project, const struct invocation *invocation,
		       struct error *err)
{
	if (project_load(project, invocation, err) < 0 ||
	    project_lock(project, LOCK_SECONDS, err) < 0 || project_connect(project, err) < 0 ||
	    project_find(project, err) < 0)
		return -1;
	return disks_require_made(project, err);
}

static int check_name(const char *name, struct error *err)
{
	if (text_equal(name, SNAPSHOT_UP)) {
		error_set(err, EX_USAGE,
			  "'" SNAPSHOT_UP "' is the state after 'migrant up', which "
			  "is kept by itself");
		return error_hint(err, "take another name");
	}
	if (name_is_valid(name))
		return 0;
	error_set(err, EX_USAGE, "'%s' is no name for a snapshot", name);
	return error_hint(err, "small letters, digits and '-', at most %d", NAME_MAX_LENGTH);
}

/* The first of s1, s2, … that is free. The caller frees. */
static char *free_name(const struct snapshots *snapshots)
{
	for (unsigned int i = 1;; i++) {
		_cleanup_free_ char *name = text_format("s%u", i);

		if (!snapshots_find(snapshots, name))
			return take_ptr(name);
	}
}

static int run_save(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	_cleanup_free_ char *chosen = NULL;
	const char *name = invocation->argc ? invocation->argv[0] : NULL;
	const char *sandbox;

	if ((name && check_name(name, err) < 0) || open_locked(&project, invocation, err) < 0)
		return -1;
	if (!name)
		name = chosen = free_name(&project.domain.definition.snapshots);
	/* nothing is asked of a guest for what is refused anyway */
	if (disks_check_save(&project, name, err) < 0)
		return -1;
	if (option_switch(invocation, "sync", true))
		disks_sync(&project);
	interrupt_catch(); /* what was begun in a running guest is ended */
	if (disks_save(&project, name, option_text(invocation, "message"),
		       option_flag(invocation, "memory"), err) < 0)
		return -1;
	sandbox = named_sandbox(invocation);
	log_step("%s: saved as '%s'; 'migrant snapshot restore %s%s%s' goes back to it",
		 project.config.name, name, name, sandbox ? " -s " : "", sandbox ? sandbox : "");
	return 0;
}

static int run_list(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	json_object *list;

	if (project_open(&project, invocation, err) < 0)
		return -1;
	list = snapshots_json(&project.domain.definition.snapshots);
	if (option_flag(invocation, "json"))
		puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY |
								  JSON_C_TO_STRING_NOSLASHESCAPE));
	for (size_t i = 0; !option_flag(invocation, "json") && i < json_object_array_length(list);
	     i++) {
		_cleanup_free_ char *line = snapshot_line(json_object_array_get_idx(list, i));
		_cleanup_free_ char *shown = text_escape(line, strlen(line), false);

		puts(shown);
	}
	json_object_put(list);
	return 0;
}

/* The newest one, but for what `up` keeps; borrowed. */
static const char *newest(const struct project *project, struct error *err)
{
	const struct snapshots *snapshots = &project->domain.definition.snapshots;

	for (size_t i = snapshots->count; i-- > 0;)
		if (!text_equal(snapshots->items[i].name, SNAPSHOT_UP))
			return snapshots->items[i].name;
	error_set(err, EX_NOINPUT, "the sandbox '%s' has no snapshot", project->config.name);
	error_hint(err, "'migrant reset' goes back to the state after 'migrant up'");
	return NULL;
}

/* A sandbox that runs is running again afterwards, one that is halted stays so. */
static int run_restore(const struct invocation *invocation, struct error *err)
{
	_cleanup_up_ struct up up = UP_INIT;
	_cleanup_free_ char *name = NULL;
	bool runs;

	up_begin(&up, invocation);
	if (open_locked(&up.project, invocation, err) < 0)
		return -1;
	name = text_dup(invocation->argc ? invocation->argv[0] : newest(&up.project, err));
	if (!name || disks_check(&up.project, name, err) < 0)
		return -1;
	runs = up.project.domain.state == DOMAIN_RUNNING ||
	       up.project.domain.state == DOMAIN_PAUSED;
	if (!runs) {
		if (disks_rewind(&up.project, name, err) < 0)
			return -1;
		log_step("%s: the disk is as it was in '%s'", up.project.config.name, name);
		return 0;
	}
	project_done(&up.project); /* up begins anew, with the Migrantfile as it is when it has the
				      lock */
	return reset_run(&up, name, err);
}

static int run_delete(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	const char *name = invocation->argv[0];

	if (check_name(name, err) < 0 || open_locked(&project, invocation, err) < 0 ||
	    disks_forget(&project, name, err) < 0)
		return -1;
	log_step("%s: deleted the snapshot '%s'", project.config.name, name);
	return 0;
}

static const struct option save_options[] = {
	SANDBOX_OPTION,
	{'m', "message", OPTION_TEXT, "TEXT", "what it is, shown in the list"},
	{0, "memory", OPTION_FLAG, NULL, "keep the guest's memory as well, to go on where it was"},
	{0, "sync", OPTION_SWITCH, NULL, "let the guest write out its files first (or not)"},
	{0},
};

static const struct option list_options[] = {
	SANDBOX_OPTION,
	{0, "json", OPTION_FLAG, NULL, "print one JSON document"},
	{0},
};

static const struct option other_options[] = {
	SANDBOX_OPTION,
	{0},
};

static const struct command save_command = {
	.name = "save",
	.example = "migrant snapshot save good -m 'all tests pass'",
	.operands = "[NAME]",
	.summary = "keep the disk as it is now",
	.details = "Nothing is copied, so it takes no time and, at first, no space. Shares are no "
		   "part of it.\nWith --memory the guest stands still while its memory is "
		   "written, and 'reset NAME' lets\nit go on from there, without booting.\n",
	.options = save_options,
	.operands_max = 1,
	.run = run_save,
};

static const struct command list_command = {
	.name = "list",
	.example = "migrant snapshot list",
	.summary = "list the snapshots",
	.options = list_options,
	.run = run_list,
};

static const struct command restore_command = {
	.name = "restore",
	.example = "migrant snapshot restore good",
	.operands = "[NAME]",
	.summary = "put the disk back, by default to the newest snapshot",
	.details = "What was written since is lost, but for what is in shares. A running sandbox\n"
		   "is started anew, with the Migrantfile as it is now.\n",
	.options = other_options,
	.takes_snapshot = true,
	.operands_max = 1,
	.run = run_restore,
};

static const struct command delete_command = {
	.name = "delete",
	.example = "migrant snapshot delete good",
	.operands = "NAME",
	.summary = "delete a snapshot, and what of the disk only it needs",
	.options = other_options,
	.takes_snapshot = true,
	.operands_min = 1,
	.operands_max = 1,
	.run = run_delete,
};

static const struct command *const subcommands[] = {
	&save_command, &list_command, &restore_command, &delete_command, NULL,
};

const struct command command_snapshot = {
	.name = "snapshot",
	.group = "state",
	.summary = "states of the disk to come back to",
	.subcommands = subcommands,
};
