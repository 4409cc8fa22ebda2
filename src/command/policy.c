/*
 * `migrant policy show`: what the guest may reach, in words; the sandbox's own if it runs, else
 * what the Migrantfile asks for.
 */
#include <json-c/json.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "command/helper.h"
#include "command/policy_from_config.h"
#include "command/policy_state.h"
#include "command/print.h"
#include "command/tunnel_file.h"
#include "hook/protocol.h"

struct view {
	struct project project;
	struct policy policy, migrantfile;
	struct wire wire;
	bool runs;
};

static void view_done(struct view *view)
{
	project_done(&view->project);
}

static int find_in_force(struct view *view, struct error *err)
{
	_cleanup_record_ struct record record = {0};

	if (record_load(view->project.config.name, &record, err) < 0) {
		err->code = EX_SOFTWARE;
		return error_prefix(err, "the running sandbox has no gateway");
	}
	if (!text_equal(record.uuid, view->project.domain.definition.metadata.uuid))
		return error_set(err, EX_SOFTWARE, "the gateway is that of another sandbox");
	return policy_in_force(&record, &view->policy, err);
}

/* What is in force is shown also when the tunnel's file cannot be read any more. */
static int view_open(struct view *view, const struct invocation *invocation, struct error *err)
{
	const struct config *config = &view->project.config;
	_cleanup_error_ struct error unknown = ERROR_INIT;

	if (project_open(&view->project, invocation, err) < 0 ||
	    policy_wire(&view->project, &view->wire, err) < 0)
		return -1;
	view->runs = policy_is_in_force(&view->project);
	if (!view->runs) {
		if (policy_wanted(config, &view->migrantfile, err) < 0)
			return -1;
		view->policy = view->migrantfile;
		return 0;
	}
	if (policy_wanted(config, &view->migrantfile, &unknown) < 0)
		policy_from_config(config, NULL, &view->migrantfile);
	return find_in_force(view, err);
}

/* The rules as the kernel has them, from the helper. */
static int find_rules(const struct view *view, char **ret_rules, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
	json_object *root;
	json_object *rules;
	int result = 0;

	if (!view->runs) {
		error_set(err, EXIT_STATE, "the sandbox '%s' is not running: no rules are loaded",
			  view->project.config.name);
		return error_hint(err, "without --rules the Migrantfile's policy is shown");
	}
	if (helper_run("rules", view->project.config.name, &answer, err) < 0)
		return error_prefix(err, "cannot read the rules");
	root = json_tokener_parse(strbuf_text(&answer));
	if (json_object_object_get_ex(root, "rules", &rules))
		*ret_rules = text_dup(json_object_get_string(rules));
	else
		result = error_set(err, EX_SOFTWARE, "the helper's answer is not understood");
	json_object_put(root);
	return result;
}

static void add(json_object *root, const char *name, json_object *value)
{
	json_object_object_add(root, name, value);
}

static json_object *list_allow(const struct policy *policy)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < policy->grant_count; i++) {
		_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

		policy_grant_canonical(&policy->grants[i], &line);
		/* as the Migrantfile has it: without the word in front */
		json_object_array_add(
			list, json_object_new_string(strbuf_text(&line) + strlen("allow ")));
	}
	return list;
}

static json_object *list_dns(const struct policy *policy)
{
	json_object *list = json_object_new_array();
	char text[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < policy->dns_count; i++)
		json_object_array_add(
			list, json_object_new_string(address_format(&policy->dns[i], text)));
	return list;
}

static json_object *list_limits(const struct policy_limits *limits)
{
	json_object *root = json_object_new_object();

	add(root, "connections", json_object_new_int64(limits->connections));
	add(root, "new-per-second", json_object_new_int64(limits->new_per_second));
	add(root, "dns-per-second", json_object_new_int64(limits->dns_per_second));
	return root;
}

static json_object *list_words(const char *words)
{
	json_object *list = json_object_new_array();
	size_t length;

	for (const char *at = words; *at; at += length, at += *at == '\n') {
		length = strcspn(at, "\n");
		json_object_array_add(list, json_object_new_string_len(at, (int)length));
	}
	return list;
}

/* The keys are the Migrantfile's; @rules may be NULL. */
static void print_json(const struct view *view, const char *words, const char *rules)
{
	const struct policy *policy = &view->policy;
	json_object *root = json_object_new_object();

	add(root, "name", json_object_new_string(view->project.config.name));
	add(root, "in_force", json_object_new_boolean(view->runs));
	add(root, "as_migrantfile",
	    json_object_new_boolean(policy_equal(policy, &view->migrantfile)));
	add(root, "isolate", json_object_new_boolean(policy->isolate));
	add(root, "ipv6", json_object_new_string(policy->ipv6 ? "nat" : "off"));
	add(root, "egress", json_object_new_string(policy_egress_name(policy->egress)));
	add(root, "tunnel", json_object_new_boolean(policy->tunnel));
	add(root, "dns", list_dns(policy));
	add(root, "allow", list_allow(policy));
	add(root, "ports", policy_ports_json(policy));
	add(root, "limits", list_limits(&policy->limits));
	add(root, "words", list_words(words));
	if (rules)
		add(root, "rules", json_object_new_string(rules));
	json_print(root);
	json_object_put(root);
}

static void print_people(const struct view *view, const char *words, const char *rules)
{
	if (rules) {
		_cleanup_free_ char *shown = text_escape(rules, strlen(rules), true);

		fputs(shown, stdout);
		return;
	}
	fputs(words, stdout);
	if (!view->runs)
		log_info("'%s' does not run: this is what the Migrantfile says",
			 view->project.config.name);
	else if (!policy_equal(&view->policy, &view->migrantfile))
		log_info("%s", POLICY_OUTDATED);
}

static int run_show(const struct invocation *invocation, struct error *err)
{
	_cleanup_(view_done) struct view view = {.project = PROJECT_INIT};
	_cleanup_strbuf_ struct strbuf words = STRBUF_INIT;
	_cleanup_free_ char *rules = NULL;

	if (view_open(&view, invocation, err) < 0)
		return -1;
	if (option_flag(invocation, "rules") && find_rules(&view, &rules, err) < 0)
		return -1;
	policy_describe(&view.policy, &view.wire, &words);
	if (option_flag(invocation, "json"))
		print_json(&view, strbuf_text(&words), rules);
	else
		print_people(&view, strbuf_text(&words), rules);
	return 0;
}

static const struct option show_options[] = {
	{0, "json", OPTION_FLAG, NULL, "print one JSON document"},
	{0, "rules", OPTION_FLAG, NULL, "print the rules that are loaded"},
	{0},
};

static const struct command policy_show_command = {
	.name = "show",
	.example = "migrant policy show --rules",
	.summary = "say what the guest may reach",
	.details = "Of a running sandbox what is in force, else what the Migrantfile asks for.\n",
	.operands = "[NAME]",
	.operands_max = 1,
	.takes_name = true,
	.options = show_options,
	.run = run_show,
};

static const struct command *const subcommands[] = {
	&policy_show_command,
	NULL,
};

const struct command command_policy = {
	.name = "policy",
	.group = "policy",
	.summary = "what the guest may reach",
	.subcommands = subcommands,
};
