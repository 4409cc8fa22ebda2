/*
 * `migrant plan`: what `up` would do to the host, from the very table that `up` works through. It
 * does the steps that only look, so it also finds what `up` would refuse.
 */
#include <json-c/json.h>
#include <stdio.h>

#include "base/text.h"
#include "command/policy_from_config.h"
#include "command/policy_state.h"
#include "command/print.h"
#include "command/up.h"

#define LABEL_WIDTH 12

static void print_line(const char *label, const char *what)
{
	_cleanup_free_ char *shown = text_escape(what, strlen(what), false);

	printf("%s:%*s%s\n", label, (int)(LABEL_WIDTH - strlen(label)), "", shown);
}

static void add_step(json_object *steps, const struct up_step *step, const char *what)
{
	json_object *entry = json_object_new_object();

	json_object_object_add(entry, "step", json_object_new_string(step->name));
	json_object_object_add(entry, "what", json_object_new_string(what));
	json_object_array_add(steps, entry);
}

/* @steps NULL: print for people. */
static void list_steps(const struct up *up, json_object *steps)
{
	for (const struct up_step *step = up_steps; step->name && !up->finished; step++) {
		_cleanup_free_ char *what = NULL;

		if (!step->what || (step->applies && !step->applies(up)))
			continue;
		what = step->what(up);
		if (!what)
			continue;
		if (steps)
			add_step(steps, step, what);
		else
			print_line(step->name, what);
	}
}

/* The policy that the guest will have, a line for each thing. */
static int list_policy(const struct up *up, json_object *words, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct policy policy;
	struct wire wire;
	char *rest;
	char *line;

	if (policy_wire(&up->project, &wire, err) < 0)
		return -1;
	policy_from_config(&up->project.config, up->wireguard, &policy);
	policy_describe(&policy, &wire, &text);
	rest = text.text;
	while ((line = strsep(&rest, "\n")) && *line) {
		if (words)
			json_object_array_add(words, json_object_new_string(line));
		else
			print_line("policy", line);
	}
	return 0;
}

static int print_people(const struct up *up, struct error *err)
{
	list_steps(up, NULL);
	return list_policy(up, NULL, err);
}

static int print_json(const struct up *up, struct error *err)
{
	json_object *root = json_object_new_object();
	json_object *steps = json_object_new_array();

	json_object *policy = json_object_new_array();
	int result = up->finished ? 0 : list_policy(up, policy, err);

	list_steps(up, steps);
	json_object_object_add(root, "name", json_object_new_string(up->project.config.name));
	json_object_object_add(root, "state",
			       json_object_new_string(domain_state_name(up->project.domain.state)));
	json_object_object_add(root, "steps", steps);
	json_object_object_add(root, "policy", policy);
	if (result == 0)
		json_print(root);
	json_object_put(root);
	return result;
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_up_ struct up up = UP_INIT;

	up_begin(&up, invocation);
	up.ignores_layer = option_flag(invocation, "fresh");
	/* A mistake in the Migrantfile reads the same whatever command finds it. */
	if (up_look(&up, err) < 0)
		return err->place ? -1 : error_prefix(err, "'migrant up' would stop");
	if (option_flag(invocation, "json"))
		return print_json(&up, err);
	if (!up.finished)
		return print_people(&up, err);
	puts("nothing: the sandbox is running");
	return 0;
}

static const struct option options[] = {
	{0, "fresh", OPTION_FLAG, NULL, "what `up --fresh` would do"},
	{0, "json", OPTION_FLAG, NULL, "print one JSON document"},
	{0},
};

const struct command command_plan = {
	.name = "plan",
	.group = "project",
	.summary = "show what `up` would do to the host, and do nothing",
	.example = "migrant plan",
	.options = options,
	.run = run,
};
