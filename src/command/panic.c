/*
 * `migrant panic`: the sandboxes are cut off and stand still, at once, and nothing of them is lost.
 * It waits for no other migrant and asks the guest for nothing: first root cuts every network, then
 * every guest is paused; what fails with one is told and keeps the others from nothing.
 */
#include "base/log.h"
#include "base/text.h"
#include "command/helper.h"
#include "command/project.h"
#include "domain/ask.h"
#include "domain/list.h"

#define PAUSE_SECONDS 10 /* for a QEMU to answer */

struct panic {
	struct domain_list list;
	const char *name; /* the one that is meant, or NULL: all */
	size_t met, failed;
};

static bool is_meant(const struct panic *panic, const struct listed *item)
{
	if (panic->name && !text_equal(item->name, panic->name))
		return false;
	return item->domain.state == DOMAIN_RUNNING || item->domain.state == DOMAIN_PAUSED;
}

static void tell_failure(struct panic *panic, const char *name, const struct error *err)
{
	panic->failed++;
	log_warning("%s: %s", name, err->message);
}

static void cut_all(struct panic *panic)
{
	for (size_t i = 0; i < panic->list.count; i++) {
		const struct listed *item = &panic->list.items[i];
		_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
		_cleanup_error_ struct error err = ERROR_INIT;

		if (!is_meant(panic, item))
			continue;
		panic->met++;
		if (helper_run("cut", item->name, &answer, &err) < 0)
			tell_failure(panic, item->name, &err);
	}
}

/* All are told before one is waited for: a QEMU that hangs keeps no other from standing still. */
static void pause_all(struct panic *panic)
{
	_cleanup_free_ struct ask **asks = xcalloc(panic->list.count + 1, sizeof(struct ask *));

	for (size_t i = 0; i < panic->list.count; i++) {
		const struct listed *item = &panic->list.items[i];

		if (is_meant(panic, item) && item->domain.state == DOMAIN_RUNNING)
			asks[i] = ask_begin(item->domain.handle, virDomainSuspend);
	}
	for (size_t i = 0; i < panic->list.count; i++) {
		_cleanup_error_ struct error err = ERROR_INIT;

		if (asks[i] && ask_end(asks[i], PAUSE_SECONDS, "cannot pause it", &err) < 0)
			tell_failure(panic, panic->list.items[i].name, &err);
	}
}

static int end(const struct panic *panic, struct error *err)
{
	if (!panic->met) {
		log_step("%s", panic->name ? "it does not run" : "no sandbox of yours runs");
		return 0;
	}
	if (panic->failed) {
		error_set(err, EX_SOFTWARE, "not everything could be cut off and paused");
		return error_hint(err, "'migrant halt -f' turns a sandbox off");
	}
	for (size_t i = 0; i < panic->list.count; i++)
		if (is_meant(panic, &panic->list.items[i]))
			log_step("%s: cut off and paused", panic->list.items[i].name);
	log_info("'migrant up' connects it again and lets it go on, 'migrant halt -f' turns it "
		 "off; 'migrant logs --network' shows what it did");
	return 0;
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	struct panic panic = {0};
	bool all = option_flag(invocation, "all");
	int result;

	if (all && invocation->argc)
		return error_set(err, EX_USAGE, "--all means every sandbox: it takes no name");
	if ((!all && project_load(&project, invocation, err) < 0) ||
	    (!project.connection && project_connect(&project, err) < 0) ||
	    domain_list(project.connection, getuid(), false, &panic.list, err) < 0)
		return -1;
	panic.name = all ? NULL : project.config.name;
	cut_all(&panic);
	pause_all(&panic);
	result = end(&panic, err);
	domain_list_done(&panic.list);
	return result;
}

static const struct option options[] = {
	{0, "all", OPTION_FLAG, NULL, "all your sandboxes on this host"},
	{0},
};

const struct command command_panic = {
	.name = "panic",
	.group = "policy",
	.operands = "[NAME]",
	.summary = "cut the sandbox off and pause it, at once",
	.details = "Nothing passes its gateway any more and its CPUs stand still; its memory, disk "
		   "and shares\n"
		   "stay as they are. 'migrant up' takes both back.\n",
	.example = "migrant panic --all",
	.options = options,
	.operands_max = 1,
	.takes_name = true,
	.run = run,
};
