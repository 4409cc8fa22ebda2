/*
 * By name, a sandbox is looked for in libvirt and not in a directory: it may be a fork that has
 * none, or its project may have been moved or deleted. What is its user's is judged by the
 * metadata, as it is for a sandbox that is found by its Migrantfile.
 */
#include "command/named.h"

#include "base/parse.h"
#include "base/text.h"
#include "command/disks.h"
#include "domain/list.h"

/* A number is a port before it is a name. */
static bool is_port(const char *text)
{
	return text[strspn(text, "0123456789")] == '\0' || !name_is_valid(text);
}

static bool has_sandbox_option(const struct command *command)
{
	const struct option *option = command->options;

	for (; option && (option->letter || option->name); option++)
		if (text_equal(option->name, "sandbox"))
			return true;
	return false;
}

const char *named_sandbox(const struct invocation *invocation)
{
	const struct command *command = invocation->command;

	if (has_sandbox_option(command))
		return option_text(invocation, "sandbox");
	if (!command->takes_name || invocation->argc == 0 || invocation->dashdash == 0)
		return NULL;
	/* where options end at the first operand, that is a program unless -- follows */
	if (command->stop_at_operand && invocation->dashdash != 1)
		return NULL;
	if (command->takes_ports && is_port(invocation->argv[0]))
		return NULL;
	return invocation->argv[0];
}

char *named_path(const char *operand, const char **ret_path)
{
	size_t length = strcspn(operand, ":/");
	_cleanup_free_ char *name = text_dup_n(operand, length);

	if (operand[length] != ':' || (length && !name_is_valid(name)))
		return NULL;
	*ret_path = operand + length + 1;
	return take_ptr(name);
}

/* "There is none", with the one that was probably meant. */
static int no_such(const struct project *project, const char *name, struct error *err)
{
	_cleanup_domain_list_ struct domain_list list = {0};
	_cleanup_error_ struct error ignored = ERROR_INIT;
	const char *best = NULL;
	size_t best_distance = 3;

	if (domain_list(project->connection, getuid(), false, &list, &ignored) < 0)
		list.count = 0;
	for (size_t i = 0; i < list.count; i++) {
		size_t distance = text_distance(name, list.items[i].name);

		if (distance < best_distance) {
			best_distance = distance;
			best = list.items[i].name;
		}
	}
	error_set(err, EXIT_STATE, "there is no sandbox '%s'", name);
	if (best)
		return error_hint(err, "did you mean '%s'?", best);
	return error_hint(err, "'migrant global-status' lists yours");
}

static int defaults(const struct metadata *metadata, struct config *ret_config, struct error *err)
{
	_cleanup_free_ char *text = text_format("name: %s\n", metadata->name);

	if (config_parse(metadata->directory, "Migrantfile", text, strlen(text), ret_config, err) <
	    0)
		return -1;
	text_replace(&ret_config->user, metadata->user);
	return 0;
}

/* A fork has the Migrantfile of what it was forked from, as far as two can have it. */
static int load_config(struct project *project, const struct definition *definition,
		       struct error *err)
{
	const struct metadata *metadata = &definition->metadata;
	_cleanup_error_ struct error ignored = ERROR_INIT;

	project->is_fork = disks_are_forked(definition);
	if (config_load(metadata->directory, &project->config, &ignored) == 0) {
		if (project->is_fork)
			config_as_sibling(&project->config, metadata->name);
		project->has_file = text_equal(project->config.name, metadata->name) &&
				    text_equal(project->config.directory, metadata->directory);
		if (project->has_file)
			return 0;
		config_done(&project->config);
	}
	return defaults(metadata, &project->config, err);
}

int named_load(struct project *project, const char *name, struct error *err)
{
	_cleanup_domain_ struct domain domain = DOMAIN_INIT;
	const struct metadata *metadata = &domain.definition.metadata;

	if (!name_is_valid(name)) {
		error_set(err, EX_USAGE, "'%s' cannot be the name of a sandbox", name);
		return error_hint(err, "'migrant global-status' lists yours");
	}
	if (project_connect(project, err) < 0 ||
	    domain_find(project->connection, name, &domain, err) < 0)
		return -1;
	if (!domain.handle)
		return no_such(project, name, err);
	if (domain_check_owner(&domain, getuid(), metadata->directory, err) < 0)
		return -1;
	return load_config(project, &domain.definition, err);
}
