/*
 * `migrant reload`: `halt` and `up` in one, after the Migrantfile has been found to be fine.
 *
 * `migrant reload --policy`: the Migrantfile's `network:` for a guest that runs. Root changes the
 * rules first and notes that; then the domain's metadata say the same. Killed in between, the two
 * differ: `status` shows it, and the next reload, which does all of it anew, repairs it.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
#include "command/halt.h"
#include "command/helper.h"
#include "command/outdated.h"
#include "command/policy_check.h"
#include "command/policy_from_config.h"
#include "command/policy_state.h"
#include "command/tunnel_file.h"
#include "command/up.h"
#include "domain/libvirt.h"
#include "domain/live.h"

/* True when @line is one of the lines of @text. */
static bool has_line(const char *text, const char *line, size_t length)
{
	for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n')
		if (strcspn(at, "\n") == length && strncmp(at, line, length) == 0)
			return true;
	return false;
}

/* Prints the lines that @text has and @other has not. Returns their number. */
static unsigned int print_missing(const char *sign, const char *text, const char *other)
{
	unsigned int count = 0;
	size_t length;

	for (const char *at = text; *at; at += length, at += *at == '\n') {
		length = strcspn(at, "\n");
		if (has_line(other, at, length))
			continue;
		printf("%s %.*s\n", sign, (int)length, at);
		count++;
	}
	return count;
}

static void print_changes(const struct policy *before, const struct policy *after,
			  const struct wire *wire)
{
	_cleanup_strbuf_ struct strbuf old = STRBUF_INIT, new = STRBUF_INIT;

	policy_describe(before, wire, &old);
	policy_describe(after, wire, &new);
	if (print_missing("-", strbuf_text(&old), strbuf_text(&new)) +
		    print_missing("+", strbuf_text(&new), strbuf_text(&old)) ==
	    0)
		puts("the policy is already in force");
}

static int open_running(struct project *project, const struct invocation *invocation,
			struct error *err)
{
	if (project_load(project, invocation, err) < 0 || project_require_file(project, err) < 0 ||
	    config_require_built(&project->config, err) < 0 ||
	    project_lock(project, LOCK_SECONDS, err) < 0 || project_connect(project, err) < 0 ||
	    project_find(project, err) < 0)
		return -1;
	/* A guest that is paused has its gateway as well. */
	return policy_is_in_force(project) ? 0 : project_require_running(project, err);
}

/* The record, and the policy to compare with: of the running domain when root's is not known. */
static int find_before(const struct project *project, const struct metadata *live,
		       struct policy *ret_policy, struct error *err)
{
	_cleanup_record_ struct record record = {0};
	_cleanup_error_ struct error unknown = ERROR_INIT;

	if (record_load(project->config.name, &record, err) < 0) {
		err->code = EX_SOFTWARE;
		return error_prefix(err, "the running sandbox has no gateway");
	}
	if (!text_equal(record.uuid, live->uuid))
		return error_set(err, EX_SOFTWARE, "the gateway is that of another sandbox");
	if (policy_in_force(&record, ret_policy, &unknown) < 0) {
		if (unknown.code == EXIT_STATE) {
			error_move(err, &unknown);
			return -1;
		}
		log_warning("%s; making it whole", unknown.message);
		*ret_policy = live->policy;
	}
	return 0;
}

static int store(const struct project *project, const struct metadata *metadata,
		 enum live_which which, const struct policy *policy, struct error *err)
{
	struct metadata changed = *metadata; /* borrows the texts */

	changed.version = METADATA_VERSION;
	changed.policy = *policy;
	if (live_store_metadata(project->domain.handle, &changed, which, err) == 0)
		return 0;
	return error_hint(err, "the policy is in force; 'migrant reload --policy' again notes it");
}

static int apply(const struct project *project, const struct metadata *live,
		 const struct policy *wanted, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
	_cleanup_free_ char *document = NULL;
	struct metadata changed = *live; /* borrows the texts */

	changed.version = METADATA_VERSION;
	changed.policy = *wanted;
	document = metadata_document(&changed);
	if (helper_tell("apply", project->config.name, document, &answer, err) < 0)
		return error_prefix(err, "cannot change the policy");
	if (store(project, live, LIVE_RUNNING, wanted, err) < 0)
		return -1;
	return store(project, &project->domain.definition.metadata, LIVE_DEFINITION, wanted, err);
}

/* A running guest keeps its tunnel: another one, or none, is another start. */
static int check_same_tunnel(const struct config *config, const struct wireguard *wireguard,
			     const struct metadata *live, struct error *err)
{
	char identity[WIREGUARD_IDENTITY_LENGTH + 1] = "";

	if (config->wireguard)
		wireguard_identity(wireguard, identity);
	if (text_equal(identity, live->tunnel.identity))
		return 0;
	error_set(err, EXIT_STATE,
		  !tunnel_is_set(&live->tunnel)
			  ? "the sandbox runs without the tunnel that it should have"
		  : config->wireguard ? "the sandbox runs in another tunnel than this one"
				      : "the sandbox runs in a tunnel that it should not have");
	return error_hint(err, "'migrant reload' starts it anew, in the tunnel of the Migrantfile");
}

static int find_wanted(const struct config *config, const struct metadata *live,
		       struct policy *ret_policy, struct error *err)
{
	_cleanup_wireguard_ struct wireguard wireguard = {0};

	if (config->wireguard && (tunnel_file_load(config, &wireguard, NULL, err) < 0 ||
				  tunnel_file_check(config, &wireguard, err) < 0))
		return -1;
	if (check_same_tunnel(config, &wireguard, live, err) < 0)
		return -1;
	policy_from_config(config, config->wireguard ? &wireguard : NULL, ret_policy);
	return 0;
}

static int reload_policy(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	_cleanup_metadata_ struct metadata live = {0};
	struct policy before, wanted;

	if (open_running(&project, invocation, err) < 0 ||
	    live_metadata(project.domain.handle, &live, err) < 0 ||
	    policy_check(&project.config, &live.wire, err) < 0 ||
	    find_wanted(&project.config, &live, &wanted, err) < 0 ||
	    find_before(&project, &live, &before, err) < 0)
		return -1;
	if (apply(&project, &live, &wanted, err) < 0)
		return -1;
	print_changes(&before, &wanted, &live.wire);
	outdated_say(&project);
	return 0;
}

/* What `up` would refuse is refused while the guest still runs. */
static int open_checked(struct project *project, const struct invocation *invocation,
			struct error *err)
{
	struct wire wire;

	if (project_load(project, invocation, err) < 0 || project_require_file(project, err) < 0 ||
	    config_check_files(&project->config, err) < 0 ||
	    config_require_built(&project->config, err) < 0 ||
	    tunnel_file_valid(&project->config, err) < 0 ||
	    project_lock(project, LOCK_SECONDS, err) < 0 || project_connect(project, err) < 0 ||
	    project_find(project, err) < 0)
		return -1;
	if (!project->domain.handle) {
		error_set(err, EXIT_STATE, "the sandbox '%s' does not exist", project->config.name);
		return error_hint(err, "make it: migrant up");
	}
	if (policy_wire(project, &wire, err) < 0)
		return -1;
	return policy_check(&project->config, &wire, err);
}

/* Saved memory would go on as it was; a reload is a boot. */
static int drop_memory(const struct project *project, struct error *err)
{
	if (project->domain.state != DOMAIN_SAVED)
		return 0;
	log_info("its saved memory is dropped: it boots anew");
	if (virDomainManagedSaveRemove(project->domain.handle, 0) < 0)
		return libvirt_error(err, EX_SOFTWARE, "cannot remove the saved memory");
	return 0;
}

static int halt_first(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;

	if (open_checked(&project, invocation, err) < 0 || drop_memory(&project, err) < 0)
		return -1;
	return halt_with_hooks(&project, "reload", option_flag(invocation, "force"),
			       SHUTDOWN_SECONDS, err);
}

/* Between the two somebody else may get the lock; `up` takes things as it finds them. */
static int reload(const struct invocation *invocation, struct error *err)
{
	_cleanup_up_ struct up up = UP_INIT;

	if (halt_first(invocation, err) < 0)
		return -1;
	up_begin(&up, invocation);
	up.timeout = (unsigned int)option_number(invocation, "timeout", UP_SECONDS);
	up.provision = up_provision_of(invocation);
	up.waits_for_handshake = option_switch(invocation, "handshake", true);
	return up_run(&up, err);
}

static int check_usage(const struct invocation *invocation, struct error *err)
{
	if (!option_flag(invocation, "policy") ||
	    (!option_flag(invocation, "force") &&
	     option_values(invocation, "timeout")->count == 0 &&
	     option_values(invocation, "handshake")->count == 0 &&
	     option_values(invocation, "provision")->count == 0))
		return 0;
	error_set(err, EX_USAGE, "--policy starts nothing: it goes with no other option");
	return error_hint(err, "migrant reload --help");
}

static int run(const struct invocation *invocation, struct error *err)
{
	if (check_usage(invocation, err) < 0)
		return -1;
	if (option_flag(invocation, "policy"))
		return reload_policy(invocation, err);
	return reload(invocation, err);
}

static const struct option options[] = {
	{0, "policy", OPTION_FLAG, NULL, "apply `network:` to the running guest"},
	{'f', "force", OPTION_FLAG, NULL, "turn the guest off instead of shutting it down"},
	{0, "provision", OPTION_SWITCH, NULL, "provision also (or not) beyond the first start"},
	{0, "handshake", OPTION_SWITCH, NULL, "wait (or do not) for the tunnel's peer to answer"},
	{0, "timeout", OPTION_NUMBER, "S", "seconds to wait for the guest (600)"},
	{0},
};

const struct command command_reload = {
	.name = "reload",
	.group = "lifecycle",
	.summary = "apply a changed Migrantfile to the running sandbox",
	.example = "migrant reload --policy",
	.details = "Halts the guest and starts it with the present Migrantfile.\n"
		   "With --policy: the network policy, in one step; connections that are no longer "
		   "allowed\n"
		   "are cut, all others go on. Prints what has changed.\n",
	.operands = "[NAME]",
	.operands_max = 1,
	.takes_name = true,
	.options = options,
	.run = run,
};
