/*
 * man(7) has few rules, and one that is easily forgotten: a line that begins with a dot or a quote
 * is a request, and a backslash begins an escape. Every text goes through add_text() for that.
 */
#include "command/manual.h"

#include <stdbool.h>

#include "base/text.h"
#include "base/version.h"
#include "command/command.h"
#include "config/keys.h"

/* @text, of which nothing is a request or an escape; @begins: at the beginning of a line. */
static void add_text(struct strbuf *out, const char *text, bool begins)
{
	for (; *text; begins = *text++ == '\n') {
		if (begins && (*text == '.' || *text == '\''))
			strbuf_add_text(out, "\\&");
		if (*text == '\\')
			strbuf_add_text(out, "\\e");
		else if (*text == '-')
			strbuf_add_text(out, "\\-");
		else
			strbuf_add_char(out, *text);
	}
}

static void add_in(struct strbuf *out, char font, const char *text)
{
	strbuf_addf(out, "\\f%c", font);
	add_text(out, text, false);
	strbuf_add_text(out, "\\fR");
}

static void add_line(struct strbuf *out, const char *text)
{
	add_text(out, text, true);
	strbuf_add_char(out, '\n');
}

/* Lines that begin with a blank keep their shape, the others are filled. */
static void add_details(struct strbuf *out, const char *details)
{
	bool shaped = false;
	size_t length;

	for (const char *at = details; *at; at += length, at += *at == '\n') {
		_cleanup_free_ char *line = NULL;

		length = strcspn(at, "\n");
		line = text_dup_n(at, length);
		if (!length) {
			strbuf_add_text(out, shaped ? "\n" : ".sp\n");
			continue;
		}
		if (shaped != (*line == ' ')) {
			shaped = !shaped;
			strbuf_add_text(out, shaped ? ".nf\n" : ".fi\n");
		}
		add_line(out, line);
	}
	if (shaped)
		strbuf_add_text(out, ".fi\n");
}

static void add_option(struct strbuf *out, const struct option *option)
{
	_cleanup_free_ char *letter = text_format("-%c", option->letter);
	_cleanup_free_ char *name =
		text_format("--%s%s", option->type == OPTION_SWITCH ? "[no-]" : "",
			    option->name ? option->name : "");

	strbuf_add_text(out, ".TP\n");
	if (option->letter)
		add_in(out, 'B', letter);
	if (option->letter && option->name)
		strbuf_add_text(out, ", ");
	if (option->name)
		add_in(out, 'B', name);
	if (option->value) {
		strbuf_add_char(out, ' ');
		add_in(out, 'I', option->value);
	}
	strbuf_add_char(out, '\n');
	add_line(out, option->help);
}

static void add_options(struct strbuf *out, const struct option *options)
{
	for (; options && (options->letter || options->name); options++)
		add_option(out, options);
}

static void add_command(struct strbuf *out, const char *parent, const struct command *command)
{
	_cleanup_free_ char *name = text_format("migrant %s%s%s", parent ? parent : "",
						parent ? " " : "", command->name);

	strbuf_add_text(out, ".TP\n");
	add_in(out, 'B', name);
	if (command->operands) {
		strbuf_add_char(out, ' ');
		add_in(out, 'I', command->operands);
	}
	strbuf_add_char(out, '\n');
	add_line(out, command->summary);
	strbuf_add_text(out, ".RS\n");
	if (command->details) {
		strbuf_add_text(out, ".sp\n");
		add_details(out, command->details);
	}
	if (command->example) {
		strbuf_add_text(out, ".sp\n.nf\n  ");
		add_text(out, command->example, false);
		strbuf_add_text(out, "\n.fi\n");
	}
	add_options(out, command->options);
	strbuf_add_text(out, ".RE\n");
	for (const struct command *const *sub = command->subcommands; sub && *sub; sub++)
		add_command(out, command->name, *sub);
}

static void add_commands(struct strbuf *out)
{
	const char *group = NULL;

	for (const struct command *const *command = commands; *command; command++) {
		if (!text_equal(group, (*command)->group)) {
			group = (*command)->group;
			strbuf_add_text(out, ".SS ");
			add_line(out, group);
		}
		add_command(out, NULL, *command);
	}
}

/* No date: a page is the same whenever it is made. */
static void add_title(struct strbuf *out, const char *title, int section, const char *heading)
{
	strbuf_addf(out, ".TH %s %d \"\" \"migrant %s\" \"%s\"\n.SH NAME\n", title, section,
		    MIGRANT_VERSION, heading);
}

static const char surroundings[] =
	".SH ENVIRONMENT\n"
	".TP\n.B MIGRANT_DIR\nThe project's directory, as with\n.BR \\-C .\n"
	".TP\n.B MIGRANT_KEY\nThe private SSH key for guests instead of ~/.ssh/migrant.\n"
	".TP\n.B NO_COLOR\nNot empty: no colour.\n"
	".TP\n.B XDG_STATE_HOME\nWhere guests' host keys and the logs of provisioning are kept.\n"
	".SH EXIT STATUS\n"
	"0, or one of\n.BR sysexits.h (3head),\n"
	"or 1 when the sandbox is not in the state that the command needs.\n"
	".B ssh\nand\n.B exec\npass the status of the command in the guest.\n"
	".SH SEE ALSO\n"
	".BR migrantfile (5),\n.BR virsh (1),\n.BR ssh (1)\n";

void manual_of_commands(struct strbuf *out)
{
	add_title(out, "MIGRANT", 1, "User Commands");
	strbuf_add_text(
		out, "migrant \\- disposable, isolated virtual machines for untrusted agents\n"
		     ".SH SYNOPSIS\n"
		     ".B migrant\n[\\fB\\-C\\fR \\fIDIR\\fR] \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n"
		     ".SH DESCRIPTION\n"
		     "migrant runs a program that is not trusted, such as an AI coding agent, in "
		     "a virtual\nmachine that reaches the Internet and nothing private. What the "
		     "machine is like is\nin the\n.BR migrantfile (5)\n"
		     "of the current directory or the nearest one above it.\n"
		     ".SH OPTIONS\n");
	add_options(out, common_options);
	strbuf_add_text(out, ".SH COMMANDS\n");
	add_commands(out);
	strbuf_add_text(out, surroundings);
}

static void add_key(struct strbuf *out, const struct config_key *key)
{
	_cleanup_strbuf_ struct strbuf kind = STRBUF_INIT;

	key_describe_type(key, &kind);
	strbuf_add_text(out, ".TP\n");
	add_in(out, 'B', key->path);
	strbuf_add_text(out, "\n");
	add_line(out, key->help);
	strbuf_add_text(out, ".br\n");
	add_text(out, strbuf_text(&kind), true);
	if (key->fallback) {
		strbuf_add_text(out, "; default: ");
		add_in(out, 'B', key->fallback);
	} else if (*key->otherwise) {
		strbuf_add_text(out, "; default: ");
		add_text(out, key->otherwise, false);
	}
	strbuf_add_text(out, key->unbuilt ? "; not built yet\n" : "\n");
}

void manual_of_migrantfile(const char *example, struct strbuf *out)
{
	add_title(out, "MIGRANTFILE", 5, "File Formats");
	strbuf_add_text(out,
			"Migrantfile \\- what a sandbox of migrant is like\n"
			".SH DESCRIPTION\n"
			"A file in YAML, never executed, in a project's directory. An empty one is "
			"valid.\nUnknown keys are refused, with their place.\n"
			".SH KEYS\n");
	for (enum config_key_id id = 0; id < KEY_COUNT; id++)
		add_key(out, &config_keys[id]);
	strbuf_add_text(out, ".SH EXAMPLE\n.nf\n");
	add_text(out, example, true);
	strbuf_add_text(out, ".fi\n.SH SEE ALSO\n.BR migrant (1)\n");
}
