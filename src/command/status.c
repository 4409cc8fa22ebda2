/*
 * `migrant status`: what the sandbox is, and whether it still is what was promised. For people as
 * aligned lines, for programs as one JSON document; both are made from the same one.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "base/text.h"
#include "command/drift.h"
#include "command/outdated.h"
#include "command/policy_from_config.h"
#include "command/policy_state.h"
#include "command/print.h"
#include "command/project.h"
#include "command/shares.h"
#include "command/tunnel_file.h"
#include "command/tunnel_state.h"
#include "command/snapshot_show.h"
#include "domain/ask.h"

#define LABEL_WIDTH    14
#define ANSWER_SECONDS 10 /* for QEMU to say something */

static json_object *text_or_null(const char *text)
{
	return text ? json_object_new_string(text) : NULL;
}

static void add(json_object *root, const char *name, json_object *value)
{
	json_object_object_add(root, name, value);
}

static void add_machine(json_object *root, const struct project *project)
{
	const struct metadata *metadata = &project->domain.definition.metadata;
	virDomainInfo info = {.nrVirtCpu = (unsigned short)project->config.cpus,
			      .maxMem = project->config.memory / 1024};

	if (project->domain.handle)
		virDomainGetInfo(project->domain.handle, &info);
	add(root, "accel", text_or_null(metadata->accel));
	add(root, "box", text_or_null(metadata->box ? metadata->box : project->config.box));
	add(root, "cpus", json_object_new_int(info.nrVirtCpu));
	add(root, "memory_bytes", json_object_new_int64((int64_t)info.maxMem * 1024));
}

static json_object *describe_shares(const struct project *project)
{
	_cleanup_metadata_ struct metadata wanted = {0};
	const struct metadata *from = &project->domain.definition.metadata;

	if (!policy_is_in_force(project) && project->has_file) {
		shares_from_config(&project->config, &wanted);
		from = &wanted;
	}
	return shares_json(project->config.directory, from->shares, from->share_count);
}

/*
 * Of what runs, what root has put into force; where that is not known (drift tells), what the
 * domain says. Of what does not, what the Migrantfile says.
 */
static void find_policy(const struct project *project, const struct record *record,
			struct policy *ret_policy)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;

	if (!policy_is_in_force(project) && project->has_file) {
		if (policy_wanted(&project->config, ret_policy, &ignored) < 0)
			policy_from_config(&project->config, NULL, ret_policy);
	} else if (!policy_is_in_force(project) || !record->name ||
		   policy_in_force(record, ret_policy, &ignored) < 0)
		*ret_policy = project->domain.definition.metadata.policy;
}

/* What is no drift, but worth knowing. */
static json_object *list_notes(const struct project *project)
{
	json_object *list = json_object_new_array();
	_cleanup_list_ char **lines = outdated_find(project);

	_cleanup_error_ struct error hangs = ERROR_INIT;

	for (char **line = lines; *line; line++)
		json_object_array_add(list, json_object_new_string(*line));
	if (project_has_guest(project) &&
	    ask_answers(project->domain.handle, ANSWER_SECONDS, &hangs) < 0) {
		_cleanup_free_ char *note = text_format("%s; %s", hangs.message, hangs.hint);

		json_object_array_add(list, json_object_new_string(note));
	}
	return list;
}

static void add_policy(json_object *root, const struct project *project,
		       const struct record *record)
{
	struct policy policy;

	find_policy(project, record, &policy);
	add(root, "isolation", json_object_new_boolean(policy.isolate));
	add(root, "egress", json_object_new_string(policy_egress_name(policy.egress)));
	add(root, "tunnel", tunnel_status(project));
	add(root, "shares", describe_shares(project));
	add(root, "snapshots", snapshots_json(&project->domain.definition.snapshots));
	add(root, "ports", policy_ports_json(&policy));
	add(root, "notes", list_notes(project));
}

/* What cannot be verified counts as differing. */
static json_object *drift_of(const struct project *project, const struct record *record)
{
	json_object *drift = json_object_new_array();
	_cleanup_error_ struct error err = ERROR_INIT;
	char **list = NULL;

	if (!policy_is_in_force(project))
		return drift;
	if (!record->name)
		json_object_array_add(drift, json_object_new_string("the hook's record is gone"));
	if (drift_find(project, &list, &err) < 0) {
		json_object_array_add(drift, json_object_new_string(err.message));
		return drift;
	}
	for (char **item = list; *item; item++)
		if (text_starts(*item, DRIFT_WARNING))
			log_warning("%s", *item + strlen(DRIFT_WARNING));
		else
			json_object_array_add(drift, json_object_new_string(*item));
	free_list(list);
	return drift;
}

/* Seconds until it is halted, or NULL: nothing halts it. */
static json_object *time_left(const struct record *record)
{
	struct tm utc = {0};
	time_t left;

	if (!record->ends || !strptime(record->ends, "%Y-%m-%dT%H:%M:%SZ", &utc))
		return NULL;
	left = timegm(&utc) - time(NULL);
	return json_object_new_int64(left > 0 ? left : 0);
}

static json_object *describe(const struct project *project)
{
	const struct domain *domain = &project->domain;
	json_object *root = json_object_new_object();
	_cleanup_record_ struct record record = {0};
	_cleanup_error_ struct error ignored = ERROR_INIT;

	if (policy_is_in_force(project) &&
	    (record_load(project->config.name, &record, &ignored) < 0 ||
	     !text_equal(record.uuid, domain->definition.metadata.uuid)))
		record_done(&record);
	add(root, "name", json_object_new_string(project->config.name));
	add(root, "dir", json_object_new_string(project->config.directory));
	add(root, "state", json_object_new_string(domain_state_name(domain->state)));
	add(root, "ip", text_or_null(record.control_address));
	add(root, "tap", text_or_null(record.tap));
	add(root, "netns", text_or_null(record.netns));
	add(root, "ttl_left", time_left(&record));
	add_machine(root, project);
	add_policy(root, project, &record);
	add(root, "drift", drift_of(project, &record));
	return root;
}

static void print_line(const char *name, const char *value)
{
	_cleanup_free_ char *shown = text_escape(value, strlen(value), false);

	printf("%s:%*s%s\n", name, (int)(LABEL_WIDTH - strlen(name)), "", shown);
}

static char *entry_line(const char *name, json_object *entry)
{
	if (text_equal(name, "shares"))
		return share_line(entry);
	if (text_equal(name, "snapshots"))
		return snapshot_line(entry);
	if (text_equal(name, "ports"))
		return policy_port_line(entry);
	return text_dup(json_object_get_string(entry));
}

static void print_tunnel(const char *name, json_object *tunnel)
{
	_cleanup_free_ char *line = tunnel_line(tunnel);

	print_line(name, line);
}

static void print_array(const char *name, json_object *array)
{
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		_cleanup_free_ char *line = entry_line(name, json_object_array_get_idx(array, i));

		print_line(name, line);
	}
	if (json_object_array_length(array) == 0)
		print_line(name, "none");
}

static void print_time_left(const char *name, json_object *value)
{
	int64_t left = json_object_get_int64(value);
	_cleanup_free_ char *text =
		text_format("%lldh%02lldm", (long long)left / 3600, (long long)left % 3600 / 60);

	print_line(name, text);
}

static void print_people(json_object *root)
{
	json_object_object_foreach(root, name, value)
	{
		if (json_object_is_type(value, json_type_array))
			print_array(name, value);
		else if (json_object_is_type(value, json_type_object))
			print_tunnel(name, value);
		else if (text_equal(name, "ttl_left") && value)
			print_time_left(name, value);
		else if (json_object_is_type(value, json_type_boolean))
			print_line(name, json_object_get_boolean(value) ? "yes" : "no");
		else
			print_line(name, value ? json_object_get_string(value) : "none");
	}
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	json_object *root;
	json_object *drift;
	bool drifted;

	if (project_open(&project, invocation, err) < 0)
		return -1;
	root = describe(&project);
	if (option_flag(invocation, "json"))
		json_print(root);
	else
		print_people(root);
	json_object_object_get_ex(root, "drift", &drift);
	drifted = json_object_array_length(drift) > 0;
	json_object_put(root);
	if (!drifted)
		return 0;
	error_set(err, EX_SOFTWARE, "the sandbox is not what was promised (see drift)");
	return error_hint(err, "'migrant halt' and 'migrant up' set it up anew");
}

static const struct option options[] = {
	{0, "json", OPTION_FLAG, NULL, "print one JSON document"},
	{0},
};

const struct command command_status = {
	.name = "status",
	.group = "lifecycle",
	.operands = "[NAME]",
	.summary = "show the sandbox's state, and whether it is what was promised",
	.example = "migrant status --json",
	.details = "Exits with 70 when something differs from what was set up (drift).\n",
	.options = options,
	.operands_max = 1,
	.takes_name = true,
	.run = run,
};
