/*
 * `migrant wg`: the tunnel of the running sandbox in detail, as wg(8) would show it, but for the
 * secrets, which do not leave the root side.
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <time.h>

#include "base/text.h"
#include "command/policy_state.h"
#include "command/tunnel_state.h"

#define LABEL_WIDTH 18

/* Lower case with blanks for what the document calls its members. */
static void print_label(const char *name, bool indented)
{
	int width = LABEL_WIDTH - (int)strlen(name) - (indented ? 2 : 0);

	fputs(indented ? "  " : "", stdout);
	for (; *name; name++)
		putchar(*name == '_' ? ' ' : *name);
	printf(":%*s", width > 1 ? width : 1, "");
}

static char *list_text(json_object *array)
{
	struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < json_object_array_length(array); i++)
		strbuf_addf(&text, "%s%s", i ? ", " : "",
			    json_object_get_string(json_object_array_get_idx(array, i)));
	return strbuf_take(&text);
}

static char *value_text(const char *name, json_object *value)
{
	if (text_equal(name, "latest_handshake"))
		return tunnel_age(json_object_get_int64(value), (int64_t)time(NULL));
	if (text_equal(name, "keepalive"))
		return value ? text_format("every %" PRId64 " s", json_object_get_int64(value))
			     : text_dup("off");
	if (json_object_is_type(value, json_type_array))
		return list_text(value);
	return text_dup(value ? json_object_get_string(value) : "none");
}

static void print_members(json_object *object, bool indented)
{
	json_object_object_foreach(object, name, value)
	{
		_cleanup_free_ char *text = NULL;
		_cleanup_free_ char *shown = NULL;

		if (text_equal(name, "peers"))
			continue;
		text = value_text(name, value);
		shown = text_escape(text, strlen(text), false);
		print_label(name, indented);
		puts(shown);
	}
}

static void print_people(json_object *answer)
{
	json_object *peers = json_object_object_get(answer, "peers");

	print_members(answer, false);
	for (size_t i = 0; i < json_object_array_length(peers); i++) {
		puts("\npeer");
		print_members(json_object_array_get_idx(peers, i), true);
	}
}

static int no_tunnel(const struct project *project, struct error *err)
{
	error_set(err, EXIT_STATE, "the sandbox '%s' has no tunnel", project->config.name);
	return error_hint(err, "a wireguard.conf beside the Migrantfile makes one, with the next "
			       "'migrant up'");
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	_cleanup_(tunnel_state_done) struct tunnel_state state = {0};

	if (project_open(&project, invocation, err) < 0)
		return -1;
	if (!policy_is_in_force(&project))
		return project_require_running(&project, err);
	if (!tunnel_is_set(&project.domain.definition.metadata.tunnel))
		return no_tunnel(&project, err);
	if (tunnel_state_load(project.config.name, &state, err) < 0)
		return -1;
	if (option_flag(invocation, "json"))
		puts(json_object_to_json_string_ext(
			state.answer, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		print_people(state.answer);
	return 0;
}

static const struct option options[] = {
	{0, "json", OPTION_FLAG, NULL, "print one JSON document"},
	{0},
};

const struct command command_wg = {
	.name = "wg",
	.group = "policy",
	.summary = "show the tunnel of the running sandbox, without its secrets",
	.example = "migrant wg",
	.operands = "[NAME]",
	.operands_max = 1,
	.takes_name = true,
	.options = options,
	.run = run,
};
