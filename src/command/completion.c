/*
 * `migrant completion SHELL`. The scripts are made from the tables that the parser and the help
 * use, so a new command completes itself. All words in them are ours, or names that migrant itself
 * prints: nothing of the user's is expanded.
 */
#include "command/completion.h"

#include <stdio.h>

#include "base/text.h"
#include "box/description.h"
#include "command/named.h"
#include "domain/libvirt.h"
#include "domain/list.h"

static bool is_end(const struct option *option)
{
	return !option->letter && !option->name;
}

static bool takes_value(const struct option *option)
{
	return option->type == OPTION_TEXT || option->type == OPTION_LIST ||
	       option->type == OPTION_NUMBER;
}

/* @text in single quotes: POSIX shells close the quote around an inner one, fish escapes it. */
static void add_quoted(struct strbuf *out, const char *text, bool fish)
{
	strbuf_add_char(out, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			strbuf_add_text(out, fish ? "\\'" : "'\\''");
		else if (*text == '\\' && fish)
			strbuf_add_text(out, "\\\\");
		else
			strbuf_add_char(out, *text);
	}
	strbuf_add_char(out, '\'');
}

/* The words of an operand that is written as a choice ("bash|zsh|fish"), for commands with one. */
static bool has_choices(const struct command *command)
{
	return command->operands && !command->takes_box && strchr(command->operands, '|') &&
	       !strpbrk(command->operands, " [");
}

static void add_choices(struct strbuf *out, const char *operands, const char *separator)
{
	for (const char *at = operands; *at;) {
		size_t length = strcspn(at, "|");

		strbuf_addf(out, "%s%.*s", at == operands ? "" : separator, (int)length, at);
		at += length + (at[length] == '|');
	}
}

static void add_option_words(struct strbuf *out, const struct option *options)
{
	for (; options && !is_end(options); options++) {
		if (options->letter)
			strbuf_addf(out, " -%c", options->letter);
		if (options->name)
			strbuf_addf(out, " --%s", options->name);
		if (options->name && options->type == OPTION_SWITCH)
			strbuf_addf(out, " --no-%s", options->name);
	}
}

/* The word that makes us print what the first operand may be (run_names()), or NULL. */
static const char *names_of(const struct command *command)
{
	if (command && command->takes_name)
		return "sandboxes";
	if (command && command->takes_snapshot)
		return "snapshots";
	return command && command->takes_box ? "boxes" : NULL;
}

/* One arm of the table in bash: what may follow the commands @path. */
static void add_bash_arm(struct strbuf *out, const char *path, const struct command *command,
			 const struct command *const *table)
{
	strbuf_addf(out, "\t'%s') echo '", path);
	for (; table && *table; table++)
		strbuf_addf(out, " %s", (*table)->name);
	if (command && has_choices(command)) {
		strbuf_add_char(out, ' ');
		add_choices(out, command->operands, " ");
	}
	if (command)
		add_option_words(out, command->options);
	add_option_words(out, common_options);
	strbuf_add_char(out, '\'');
	if (names_of(command))
		strbuf_addf(out, "; names=%s", names_of(command));
	strbuf_add_text(out, " ;;\n");
}

static void add_bash(struct strbuf *out, const struct command *const *table)
{
	strbuf_add_text(out, "# Completion of migrant for bash: source <(migrant completion bash)\n"
			     "_migrant_words() {\n"
			     "\tcase \"$1\" in\n");
	add_bash_arm(out, "", NULL, table);
	for (; *table; table++) {
		add_bash_arm(out, (*table)->name, *table, (*table)->subcommands);
		for (const struct command *const *sub = (*table)->subcommands; sub && *sub; sub++) {
			_cleanup_free_ char *path =
				text_format("%s %s", (*table)->name, (*sub)->name);

			add_bash_arm(out, path, *sub, NULL);
		}
	}
	strbuf_add_text(
		out,
		"\tesac\n"
		"}\n\n"
		"_migrant() {\n"
		"\tlocal current=${COMP_WORDS[COMP_CWORD]} path='' next word i names=''\n"
		"\tlocal -a where=()\n"
		"\tCOMPREPLY=()\n"
		"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		"\t\tword=${COMP_WORDS[i]}\n"
		"\t\tcase \"$word\" in\n"
		"\t\t-C | --directory | -s | --sandbox)\n"
		"\t\t\t((++i < COMP_CWORD)) && where+=(\"$word\" \"${COMP_WORDS[i]}\")\n"
		"\t\t\t;;\n"
		"\t\t--) return ;;\n"
		"\t\t-*) ;;\n"
		"\t\t*)\n"
		"\t\t\tnext=\"${path:+$path }$word\"\n"
		"\t\t\t[ -n \"$(_migrant_words \"$next\")\" ] && path=$next\n"
		"\t\t\t;;\n"
		"\t\tesac\n"
		"\tdone\n"
		"\tcase \"${COMP_WORDS[COMP_CWORD - 1]}\" in\n"
		"\t-C | --directory)\n"
		"\t\tmapfile -t COMPREPLY < <(compgen -d -- \"$current\")\n"
		"\t\treturn\n"
		"\t\t;;\n"
		"\tesac\n"
		"\t_migrant_words \"$path\" >/dev/null\n"
		"\tcase \"${COMP_WORDS[COMP_CWORD - 1]}\" in\n"
		"\t-s | --sandbox) names=sandboxes path=none ;;\n"
		"\tesac\n"
		"\tfor word in $(_migrant_words \"$path\"); do\n"
		"\t\t[[ $word == -* && $current != -* ]] && continue\n"
		"\t\t[[ $word == \"$current\"* ]] && COMPREPLY+=(\"$word\")\n"
		"\tdone\n"
		"\t[[ -n $names && $current != -* ]] || return 0\n"
		"\tfor word in $(migrant completion \"${where[@]}\" \"$names\" 2>/dev/null); do\n"
		"\t\t[[ $word == \"$current\"* ]] && COMPREPLY+=(\"$word\")\n"
		"\tdone\n"
		"}\n"
		"complete -o default -F _migrant migrant\n");
}

/* An entry of _describe: the word, a colon, its description; colons in the word are not ours. */
static void add_zsh_entry(struct strbuf *out, const char *word, const char *help)
{
	_cleanup_free_ char *entry = text_format("%s:%s", word, help);

	strbuf_add_char(out, ' ');
	add_quoted(out, entry, false);
}

static void add_zsh_options(struct strbuf *out, const struct option *options)
{
	for (; options && !is_end(options); options++) {
		char letter[] = {'-', options->letter, '\0'};
		_cleanup_free_ char *on = text_format("--%s", options->name ? options->name : "");
		_cleanup_free_ char *off =
			text_format("--no-%s", options->name ? options->name : "");

		if (options->letter)
			add_zsh_entry(out, letter, options->help);
		if (options->name)
			add_zsh_entry(out, on, options->help);
		if (options->name && options->type == OPTION_SWITCH)
			add_zsh_entry(out, off, options->help);
	}
}

static void add_zsh_arm(struct strbuf *out, const char *path, const struct command *command,
			const struct command *const *table)
{
	strbuf_addf(out, "\t'%s')\n\t\tentries=(", path);
	for (; table && *table; table++)
		add_zsh_entry(out, (*table)->name, (*table)->summary);
	if (command && has_choices(command)) {
		strbuf_add_char(out, ' ');
		add_choices(out, command->operands, " ");
	}
	strbuf_add_char(out, ')');
	if (names_of(command))
		strbuf_addf(out,
			    "\n\t\tentries+=(${(f)\"$(migrant completion $where %s "
			    "2>/dev/null)\"})",
			    names_of(command));
	strbuf_add_text(out, "\n\t\toptions=(");
	if (command)
		add_zsh_options(out, command->options);
	add_zsh_options(out, common_options);
	strbuf_add_text(out, ") ;;\n");
}

static void add_zsh(struct strbuf *out, const struct command *const *table)
{
	strbuf_add_text(out, "#compdef migrant\n"
			     "# Completion of migrant for zsh: migrant completion zsh > "
			     "~/.zfunc/_migrant\n"
			     "_migrant_entries() {\n"
			     "\tentries=() options=()\n"
			     "\tcase \"$1\" in\n");
	add_zsh_arm(out, "", NULL, table);
	for (; *table; table++) {
		add_zsh_arm(out, (*table)->name, *table, (*table)->subcommands);
		for (const struct command *const *sub = (*table)->subcommands; sub && *sub; sub++) {
			_cleanup_free_ char *path =
				text_format("%s %s", (*table)->name, (*sub)->name);

			add_zsh_arm(out, path, *sub, NULL);
		}
	}
	strbuf_add_text(out, "\tesac\n"
			     "}\n\n"
			     "_migrant() {\n"
			     "\tlocal chain='' word i\n"
			     "\tlocal -a entries options where\n"
			     "\tfor ((i = 2; i < CURRENT; i++)); do\n"
			     "\t\tword=${words[i]}\n"
			     "\t\tcase \"$word\" in\n"
			     "\t\t-C|--directory|-s|--sandbox)\n"
			     "\t\t\t(( ++i < CURRENT )) && where+=($word ${words[i]})\n"
			     "\t\t\t;;\n"
			     "\t\t--) _files; return ;;\n"
			     "\t\t-*) ;;\n"
			     "\t\t*)\n"
			     "\t\t\t_migrant_entries \"${chain:+$chain }$word\"\n"
			     "\t\t\t(( $#options )) && chain=\"${chain:+$chain }$word\"\n"
			     "\t\t\t;;\n"
			     "\t\tesac\n"
			     "\tdone\n"
			     "\tif [[ ${words[CURRENT-1]} == (-C|--directory) ]]; then\n"
			     "\t\t_files -/\n"
			     "\t\treturn\n"
			     "\tfi\n"
			     "\t_migrant_entries \"$chain\"\n"
			     "\tif [[ ${words[CURRENT-1]} == (-s|--sandbox) ]]; then\n"
			     "\t\tentries=(${(f)\"$(migrant completion sandboxes 2>/dev/null)\"})\n"
			     "\tfi\n"
			     "\tif [[ ${words[CURRENT]} == -* ]]; then\n"
			     "\t\t_describe option options\n"
			     "\telif (( $#entries )); then\n"
			     "\t\t_describe command entries\n"
			     "\telse\n"
			     "\t\t_files\n"
			     "\tfi\n"
			     "}\n\n"
			     "if [[ $funcstack[1] == _migrant ]]; then\n"
			     "\t_migrant \"$@\"\n"
			     "else\n"
			     "\tcompdef _migrant migrant\n"
			     "fi\n");
}

static void add_fish_line(struct strbuf *out, const char *condition, const char *what,
			  const char *help)
{
	strbuf_add_text(out, "complete -c migrant");
	if (*condition)
		strbuf_addf(out, " -n '%s'", condition);
	strbuf_addf(out, " %s -d ", what);
	add_quoted(out, help, true);
	strbuf_add_char(out, '\n');
}

static void add_fish_options(struct strbuf *out, const char *condition,
			     const struct option *options)
{
	for (; options && !is_end(options); options++) {
		_cleanup_strbuf_ struct strbuf what = STRBUF_INIT;
		_cleanup_free_ char *off =
			text_format("-l no-%s", options->name ? options->name : "");

		if (options->letter)
			strbuf_addf(&what, "-s %c", options->letter);
		if (options->name)
			strbuf_addf(&what, "%s-l %s", what.length ? " " : "", options->name);
		if (text_equal(options->name, "sandbox"))
			strbuf_add_text(&what,
					" -x -a '(migrant completion sandboxes 2>/dev/null)'");
		else if (takes_value(options))
			strbuf_add_text(&what, " -r");
		add_fish_line(out, condition, strbuf_text(&what), options->help);
		if (options->name && options->type == OPTION_SWITCH)
			add_fish_line(out, condition, off, options->help);
	}
}

static void add_fish_command(struct strbuf *out, const char *condition,
			     const struct command *command)
{
	_cleanup_strbuf_ struct strbuf choices = STRBUF_INIT;

	add_fish_options(out, condition, command->options);
	if (names_of(command)) {
		strbuf_addf(&choices, "-f -a '(migrant completion %s 2>/dev/null)'",
			    names_of(command));
		add_fish_line(out, condition, strbuf_text(&choices), names_of(command));
		return;
	}
	if (!has_choices(command))
		return;
	strbuf_add_text(&choices, "-f -a '");
	add_choices(&choices, command->operands, " ");
	strbuf_add_char(&choices, '\'');
	add_fish_line(out, condition, strbuf_text(&choices), command->summary);
}

static void add_fish_group(struct strbuf *out, const struct command *parent)
{
	_cleanup_strbuf_ struct strbuf none = STRBUF_INIT;

	strbuf_addf(&none, "__fish_seen_subcommand_from %s; and not __fish_seen_subcommand_from",
		    parent->name);
	for (const struct command *const *sub = parent->subcommands; *sub; sub++)
		strbuf_addf(&none, " %s", (*sub)->name);
	for (const struct command *const *sub = parent->subcommands; *sub; sub++) {
		_cleanup_free_ char *word = text_format("-f -a %s", (*sub)->name);
		_cleanup_free_ char *both = text_format(
			"__fish_seen_subcommand_from %s; and __fish_seen_subcommand_from %s",
			parent->name, (*sub)->name);

		add_fish_line(out, strbuf_text(&none), word, (*sub)->summary);
		add_fish_command(out, both, *sub);
	}
}

static void add_fish(struct strbuf *out, const struct command *const *table)
{
	strbuf_add_text(out, "# Completion of migrant for fish: migrant completion fish > "
			     "~/.config/fish/completions/migrant.fish\n");
	add_fish_options(out, "", common_options);
	for (; *table; table++) {
		_cleanup_free_ char *word = text_format("-f -a %s", (*table)->name);
		_cleanup_free_ char *seen =
			text_format("__fish_seen_subcommand_from %s", (*table)->name);

		add_fish_line(out, "__fish_use_subcommand", word, (*table)->summary);
		add_fish_command(out, seen, *table);
		if ((*table)->subcommands)
			add_fish_group(out, *table);
	}
}

bool completion_script(const char *shell, const struct command *const *table, struct strbuf *out)
{
	if (text_equal(shell, "bash"))
		add_bash(out, table);
	else if (text_equal(shell, "zsh"))
		add_zsh(out, table);
	else if (text_equal(shell, "fish"))
		add_fish(out, table);
	else
		return false;
	return true;
}

static void print_sandboxes(void)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_connection_ virConnectPtr connection = NULL;
	_cleanup_domain_list_ struct domain_list list = {0};

	if (libvirt_connect(&connection, &ignored) < 0 ||
	    domain_list(connection, getuid(), false, &list, &ignored) < 0)
		return;
	for (size_t i = 0; i < list.count; i++)
		puts(list.items[i].name);
}

static void print_snapshots(const struct invocation *invocation)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_project_ struct project project = PROJECT_INIT;
	const struct snapshots *snapshots = &project.domain.definition.snapshots;

	if (project_open(&project, invocation, &ignored) < 0)
		return;
	for (size_t i = 0; i < snapshots->count; i++)
		puts(snapshots->items[i].name);
}

/* For the scripts: one name a line, and nothing where nothing can be found out. */
static bool run_names(const struct invocation *invocation)
{
	const char *kind = invocation->argv[0];

	if (text_equal(kind, "snapshots")) {
		print_snapshots(invocation);
		return true;
	}
	if (text_equal(kind, "sandboxes")) {
		print_sandboxes();
		return true;
	}
	if (text_equal(kind, "boxes")) {
		_cleanup_list_ char **names = description_names();

		for (char **name = names; name && *name; name++)
			puts(*name);
		return true;
	}
	return false;
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_strbuf_ struct strbuf script = STRBUF_INIT;

	if (run_names(invocation))
		return 0;
	if (!completion_script(invocation->argv[0], commands, &script)) {
		error_set(err, EX_USAGE, "no completion for '%s'", invocation->argv[0]);
		return error_hint(err, "there is one for bash, zsh and fish");
	}
	fputs(strbuf_text(&script), stdout);
	return 0;
}

/* The scripts hand over what stands on the line. */
static const struct option options[] = {
	SANDBOX_OPTION,
	{0},
};

const struct command command_completion = {
	.name = "completion",
	.group = "host",
	.operands = "bash|zsh|fish",
	.summary = "print a completion script for a shell",
	.example = "source <(migrant completion bash)",
	.details = "bash: source <(migrant completion bash)\n"
		   "zsh:  migrant completion zsh > ~/.zfunc/_migrant   (a directory in $fpath)\n"
		   "fish: migrant completion fish > ~/.config/fish/completions/migrant.fish\n",
	.options = options,
	.operands_min = 1,
	.operands_max = 1,
	.run = run,
};
