/*
 * The command line: options by table, help from the same table, dispatch. Hand-written option
 * parsers are where commands come to disagree about `--`, `=` and abbreviations; there is one here.
 */
#include "command/command.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"

#define HELP_COLUMN 28

const struct option common_options[] = {
	{'C', "directory", OPTION_TEXT, "DIR", "use the Migrantfile in DIR"},
	{'h', "help", OPTION_FLAG, NULL, "show this help"},
	{0},
};

struct parse {
	const struct command *command;
	struct invocation invocation;
	const char **operands;
	size_t operand_count;
	bool help;
};

static bool option_is_end(const struct option *option)
{
	return !option->letter && !option->name;
}

static size_t option_count(const struct option *options)
{
	size_t count = 0;

	while (options && !option_is_end(&options[count]))
		count++;
	return count;
}

static const char *environment_directory(void)
{
	const char *directory = getenv("MIGRANT_DIR");

	return directory && *directory ? directory : NULL;
}

/* Index of the option called @name (or with that letter), or -1. */
static int option_index(const struct option *options, const char *name, size_t length)
{
	for (size_t i = 0; options && !option_is_end(&options[i]); i++) {
		if (length == 1 && options[i].letter == name[0])
			return (int)i;
		if (options[i].name && strlen(options[i].name) == length &&
		    strncmp(options[i].name, name, length) == 0)
			return (int)i;
	}
	return -1;
}

const struct option_value *option_values(const struct invocation *invocation, const char *name)
{
	int index = option_index(invocation->command->options, name, strlen(name));

	if (index < 0)
		abort();
	return &invocation->values[index];
}

bool option_flag(const struct invocation *invocation, const char *name)
{
	return option_values(invocation, name)->count > 0;
}

bool option_switch(const struct invocation *invocation, const char *name, bool fallback)
{
	const struct option_value *value = option_values(invocation, name);

	return value->count ? value->on : fallback;
}

const char *option_text(const struct invocation *invocation, const char *name)
{
	const struct option_value *value = option_values(invocation, name);

	return value->count ? value->texts[value->count - 1] : NULL;
}

uint64_t option_number(const struct invocation *invocation, const char *name, uint64_t fallback)
{
	const struct option_value *value = option_values(invocation, name);

	return value->count ? value->number : fallback;
}

static bool takes_value(const struct option *option)
{
	return option->type == OPTION_TEXT || option->type == OPTION_LIST ||
	       option->type == OPTION_NUMBER;
}

static const struct command *find_command(const struct command *const *table, const char *name)
{
	for (; *table; table++)
		if (text_equal((*table)->name, name))
			return *table;
	return NULL;
}

static const char *parent_name(const struct command *command)
{
	for (const struct command *const *table = commands; *table; table++)
		if ((*table)->subcommands &&
		    find_command((*table)->subcommands, command->name) == command)
			return (*table)->name;
	return NULL;
}

/* As it is typed: "box add". The caller frees. */
static char *command_path(const struct command *command)
{
	const char *parent = parent_name(command);

	return parent ? text_format("%s %s", parent, command->name) : text_dup(command->name);
}

static int usage_error(struct error *err, const struct command *command)
{
	_cleanup_free_ char *path = command ? command_path(command) : NULL;

	if (command && command->subcommands)
		return error_hint(err, "migrant %s --help lists its commands", path);
	if (command)
		return error_hint(err, "migrant %s --help shows the options", path);
	return error_hint(err, "migrant --help lists the commands");
}

/* Records one option of the command's own table or of the common one. */
static int record(struct parse *parse, const struct option *option, bool own, size_t index, bool on,
		  const char *text, struct error *err)
{
	struct option_value *value;

	if (!own) {
		if (option->letter == 'C' && text_equal(text, "")) {
			error_set(err, EX_USAGE, "-C needs a directory");
			return usage_error(err, parse->command);
		}
		if (option->letter == 'C')
			parse->invocation.directory = text;
		else
			parse->help = true;
		return 0;
	}
	value = &parse->invocation.values[index];
	if (option->type == OPTION_NUMBER && parse_number(text, 0, INT32_MAX, &value->number) < 0) {
		error_set(err, EX_USAGE, "--%s takes a number, not '%s'", option->name, text);
		return usage_error(err, parse->command);
	}
	value->on = on; // NOLINT(clang-analyzer-core.NullDereference): @own implies values
	value->texts = xreallocarray(value->texts, value->count + 1, sizeof(*value->texts));
	value->texts[value->count++] = text;
	return 0;
}

/* Finds an option by long name or letter in the two tables. NULL when unknown. */
static const struct option *find_option(const struct parse *parse, const char *name, size_t length,
					bool *ret_own, size_t *ret_index)
{
	const struct option *own = parse->command ? parse->command->options : NULL;
	int index = option_index(own, name, length);

	*ret_own = index >= 0;
	*ret_index = index >= 0 ? (size_t)index : 0;
	if (index >= 0)
		return &own[index];
	index = option_index(common_options, name, length);
	return index >= 0 ? &common_options[index] : NULL;
}

/* The name that is nearest to @name, as *best is already by *distance. */
static void find_nearest(const struct option *options, const char *name, const char **best,
			 size_t *distance)
{
	for (; options && !option_is_end(options); options++) {
		size_t edits = options->name ? text_distance(name, options->name) : SIZE_MAX;

		if (edits < *distance) {
			*distance = edits;
			*best = options->name;
		}
	}
}

static int unknown_option(const struct parse *parse, const char *name, size_t length,
			  struct error *err)
{
	_cleanup_free_ char *text = text_dup_n(name, length);
	const char *best = NULL;
	size_t distance = 3;

	find_nearest(parse->command ? parse->command->options : NULL, text, &best, &distance);
	find_nearest(common_options, text, &best, &distance);
	error_set(err, EX_USAGE, "unknown option '--%s'", text);
	if (best && distance < strlen(best))
		return error_hint(err, "did you mean '--%s'?", best);
	return usage_error(err, parse->command);
}

/* Parses argv[*at], which begins with "--", and its value. */
static int parse_long(struct parse *parse, const char *const *argv, int *at, struct error *err)
{
	const char *name = argv[*at] + 2;
	size_t length = strcspn(name, "=");
	const char *text = name[length] ? name + length + 1 : NULL;
	bool on = true;
	bool own;
	size_t index;
	const struct option *option =
		length > 1 ? find_option(parse, name, length, &own, &index) : NULL;

	if (!option && length > 3 && text_starts(name, "no-")) {
		option = find_option(parse, name + 3, length - 3, &own, &index);
		if (option && option->type != OPTION_SWITCH)
			option = NULL;
		on = false;
	}
	if (!option)
		return unknown_option(parse, name, length, err);
	if (!takes_value(option) && text) {
		error_set(err, EX_USAGE, "--%.*s takes no value", (int)length, name);
		return usage_error(err, parse->command);
	}
	if (takes_value(option) && !text && !(text = argv[++*at])) {
		error_set(err, EX_USAGE, "--%.*s needs a value", (int)length, name);
		return usage_error(err, parse->command);
	}
	return record(parse, option, own, index, on, text, err);
}

/* Parses argv[*at], which is "-x…": flags may be joined, a value may follow at once or come next.
 */
static int parse_short(struct parse *parse, const char *const *argv, int *at, struct error *err)
{
	for (const char *letter = argv[*at] + 1; *letter; letter++) {
		bool own;
		size_t index;
		const struct option *option = find_option(parse, letter, 1, &own, &index);
		const char *text = NULL;

		if (!option) {
			error_set(err, EX_USAGE, "unknown option '-%c'", *letter);
			return usage_error(err, parse->command);
		}
		if (takes_value(option)) {
			text = letter[1] ? letter + 1 : argv[++*at];
			if (!text) {
				error_set(err, EX_USAGE, "-%c needs a value", *letter);
				return usage_error(err, parse->command);
			}
		}
		if (record(parse, option, own, index, true, text, err) < 0)
			return -1;
		if (text)
			break;
	}
	return 0;
}

/* Of a short name, two wrong letters leave nothing to tell it by. */
static bool is_near(const char *name, const char *known)
{
	return text_distance(name, known) <= (strlen(known) > 4 ? 2 : 1);
}

static int unknown_command(const struct command *const *table, const struct command *parent,
			   const char *name, struct error *err)
{
	const char *above = parent ? parent->name : "", *space = parent ? " " : "";
	const char *best = NULL;

	for (; *table; table++)
		if (is_near(name, (*table)->name) &&
		    (!best || text_distance(name, (*table)->name) < text_distance(name, best)))
			best = (*table)->name;
	error_set(err, EX_USAGE, "unknown command '%s%s%s'", above, space, name);
	if (best)
		return error_hint(err, "did you mean 'migrant %s%s%s'?", above, space, best);
	return usage_error(err, parent);
}

static int enter_command(struct parse *parse, const char *name, struct error *err)
{
	const struct command *const *table =
		parse->command ? parse->command->subcommands : commands;
	const struct command *command = find_command(table, name);

	if (!command)
		return unknown_command(table, parse->command, name, err);
	parse->command = command;
	parse->invocation.command = command;
	free(parse->invocation.values);
	parse->invocation.values =
		xcalloc(option_count(command->options), sizeof(*parse->invocation.values));
	return 0;
}

static void add_operand(struct parse *parse, const char *text)
{
	parse->operands[parse->operand_count++] = text;
	parse->operands[parse->operand_count] = NULL;
}

static void add_operands(struct parse *parse, const char *const *argv)
{
	while (*argv)
		add_operand(parse, *argv++);
}

/* Behind the operand before @next no option is ours, unless that is a name: "exec NAME -- CMD". */
static bool options_end(const struct parse *parse, const char *next)
{
	const bool is_name =
		parse->command->takes_name && parse->operand_count == 1 && text_equal(next, "--");

	return parse->command->stop_at_operand && !is_name;
}

static int parse_arguments(struct parse *parse, const char *const *argv, struct error *err)
{
	bool expects_command = true;

	for (int at = 1; argv[at]; at++) {
		const char *text = argv[at];

		if (!expects_command && text_equal(text, "--")) {
			parse->invocation.dashdash = (int)parse->operand_count;
			add_operands(parse, &argv[at + 1]);
			return 0;
		}
		if (text[0] == '-' && text[1] == '-') {
			if (parse_long(parse, argv, &at, err) < 0)
				return -1;
		} else if (text[0] == '-' && text[1]) {
			if (parse_short(parse, argv, &at, err) < 0)
				return -1;
		} else if (expects_command && !parse->command && text_equal(text, "help")) {
			parse->help = true; /* as --help, which goes before a command as well */
		} else if (expects_command) {
			if (enter_command(parse, text, err) < 0)
				return -1;
			expects_command = parse->command && parse->command->subcommands;
		} else {
			add_operand(parse, text);
			if (!options_end(parse, argv[at + 1]))
				continue;
			add_operands(parse, &argv[at + 1]);
			return 0;
		}
	}
	return 0;
}

static void print_options(const struct option *options)
{
	for (; options && !option_is_end(options); options++) {
		_cleanup_free_ char *letter =
			options->letter ? text_format("-%c", options->letter) : text_dup("  ");
		const char *no = options->type == OPTION_SWITCH ? "[no-]" : "";
		_cleanup_free_ char *left = text_format(
			"  %s%s %s%s%s%s%s", letter, options->letter && options->name ? "," : " ",
			options->name ? "--" : "", options->name ? no : "",
			options->name ? options->name : "", options->value ? " " : "",
			options->value ? options->value : "");

		printf("%-*s %s\n", HELP_COLUMN, left, options->help);
	}
}

static void print_table(const struct command *const *table)
{
	const char *group = NULL;

	for (; *table; table++) {
		if ((*table)->group && !text_equal(group, (*table)->group))
			printf("\n%s:\n", (*table)->group);
		group = (*table)->group;
		printf("  %-16s %s\n", (*table)->name, (*table)->summary);
	}
}

static void print_command_help(const struct command *command)
{
	_cleanup_free_ char *path = command_path(command);

	printf("usage: migrant %s%s%s%s\n\n%s\n", path,
	       command->subcommands ? " COMMAND" : " [OPTIONS]", command->operands ? " " : "",
	       command->operands ? command->operands : "", command->summary);
	if (command->details)
		printf("\n%s", command->details);
	if (command->subcommands)
		print_table(command->subcommands);
	if (command->example)
		printf("\n  %s\n", command->example);
	puts("\noptions:");
	print_options(command->options);
	print_options(common_options);
}

static void print_help(const struct command *command)
{
	if (command) {
		print_command_help(command);
		return;
	}
	puts("usage: migrant [-C DIR] COMMAND [OPTIONS]\n\n"
	     "Disposable, isolated virtual machines for untrusted agents.");
	print_table(commands);
	puts("\noptions:");
	print_options(common_options);
	puts("\n'migrant COMMAND --help' tells more about a command.");
}

static int check_operands(const struct parse *parse, struct error *err)
{
	const struct command *command = parse->command;
	_cleanup_free_ char *path = command_path(command);
	int count = (int)parse->operand_count;

	if (count < command->operands_min) {
		error_set(err, EX_USAGE, "'migrant %s' needs %s", path,
			  command->operands ? command->operands : "an operand");
		return usage_error(err, command);
	}
	if (command->operands_max >= 0 && count > command->operands_max) {
		error_set(err, EX_USAGE, "'migrant %s' does not take '%s'", path,
			  parse->operands[command->operands_max]);
		return usage_error(err, command);
	}
	return 0;
}

static int run_parsed(struct parse *parse, struct error *err)
{
	if (parse->help) {
		print_help(parse->command);
		return 0;
	}
	if (!parse->command) {
		error_set(err, EX_USAGE, "no command given");
		return usage_error(err, NULL);
	}
	if (!parse->command->run) {
		error_set(err, EX_USAGE, "'migrant %s' needs a command", parse->command->name);
		return usage_error(err, parse->command);
	}
	if (check_operands(parse, err) < 0)
		return -1;
	parse->invocation.argc = (int)parse->operand_count;
	parse->invocation.argv = parse->operands;
	return parse->command->run(&parse->invocation, err);
}

static void parse_done(struct parse *parse)
{
	size_t count = parse->command ? option_count(parse->command->options) : 0;

	for (size_t i = 0; i < count; i++)
		free(parse->invocation.values[i].texts);
	free(parse->invocation.values);
	free(parse->operands);
}

int command_main(int argc, const char *const *argv, struct error *err)
{
	struct parse parse = {.invocation = {.dashdash = -1, .directory = environment_directory()}};
	int status;

	parse.operands = xcalloc((size_t)argc + 1, sizeof(*parse.operands));
	if (argc == 2 && text_equal(argv[1], "--version")) {
		static const char *const version[] = {"migrant", "version", NULL};

		argv = version;
	}
	status = parse_arguments(&parse, argv, err);
	if (status == 0)
		status = run_parsed(&parse, err);
	parse_done(&parse);
	return status < 0 ? err->code : status;
}
