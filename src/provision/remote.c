/*
 * The string is read twice: by the user's login shell, whatever that is, which gets nothing but
 * `exec sh -c` and one quoted word; and by that sh, which gets every argument as a quoted word of
 * its own.
 *
 * SSH has no number for a program that a signal ends: its client returns 255, as for a failure of
 * its own. So the program is a child of that sh, which outlives it and returns 128+N.
 */
#include "provision/remote.h"

#include <ctype.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"

static void add_quoted(struct strbuf *script, const char *text)
{
	_cleanup_free_ char *quoted = text_shell_quote(text);

	strbuf_add_text(script, quoted);
}

const char *remote_path(const char *path)
{
	if (text_starts(path, "~/"))
		path += 2 + strspn(path + 2, "/");
	return *path && !text_equal(path, "~") ? path : ".";
}

/* A directory that begins with a dash would be an option or the last directory. */
static void add_directory(struct strbuf *script, const char *directory)
{
	_cleanup_free_ char *path = text_format("%s%s", directory[0] == '-' ? "./" : "", directory);

	strbuf_add_text(script, "CDPATH= cd ");
	add_quoted(script, path);
	strbuf_add_text(script, " || exit 126; ");
}

static void add_variable(struct strbuf *script, const char *variable)
{
	size_t name = remote_variable_length(variable);

	strbuf_addf(script, "export %.*s=", (int)name, variable);
	add_quoted(script, variable + name + 1);
	strbuf_add_text(script, "; ");
}

size_t remote_variable_length(const char *text)
{
	size_t length = 0;

	if (isdigit((unsigned char)text[0]))
		return 0;
	while ((text[length] & 0x80) == 0 &&
	       (isalnum((unsigned char)text[length]) || text[length] == '_'))
		length++;
	return length;
}

char *remote_command(const char *directory, const char *const *environment, const char *const *argv)
{
	_cleanup_strbuf_ struct strbuf script = STRBUF_INIT;
	_cleanup_free_ char *quoted = NULL;

	if (directory)
		add_directory(&script, directory);
	for (; environment && *environment; environment++)
		add_variable(&script, *environment);
	strbuf_add_text(&script, "trap : INT QUIT; (exec"); /* with exec it is no builtin */
	for (; *argv; argv++) {
		strbuf_add_char(&script, ' ');
		add_quoted(&script, *argv);
	}
	strbuf_add_text(&script, "); exit $?");
	quoted = text_shell_quote(strbuf_text(&script));
	return text_format("exec sh -c %s", quoted);
}
