/*
 * The small things that both sides must spell alike: interface names and the hook's error line.
 *
 * libvirt passes a failing hook's stderr on inside its own error text, so the one line that the
 * hook prints is all a user ever sees of it. It is escaped here, where it is written, and found
 * again by its fixed beginning.
 */
#include "hook/protocol.h"

#include "base/strbuf.h"
#include "base/text.h"

#define ERROR_MARK     "migrant-hook: ["
#define HINT_MARK      " (hint: "
#define ERROR_LINE_MAX 2048

void tap_name(const char *uuid, char name[LINK_NAME_MAX])
{
	snprintf(name, LINK_NAME_MAX, "mgt%.8s", uuid);
}

void hook_error_print(const struct error *err)
{
	const char *message = err->message ? err->message : "failed";
	_cleanup_free_ char *safe = text_escape(message, strnlen(message, ERROR_LINE_MAX), false);
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

	strbuf_addf(&line, ERROR_MARK "%d] %s", err->code ? err->code : EX_SOFTWARE, safe);
	if (err->hint) {
		_cleanup_free_ char *hint =
			text_escape(err->hint, strnlen(err->hint, ERROR_LINE_MAX), false);

		strbuf_addf(&line, HINT_MARK "%s)", hint);
	}
	fprintf(stderr, "%s\n", strbuf_text(&line));
}

/* The last place of @mark in @text, or NULL. */
static char *find_last(char *text, const char *mark)
{
	char *found = NULL;

	for (char *at = strstr(text, mark); at; at = strstr(at + 1, mark))
		found = at;
	return found;
}

/* Splits "message (hint: …)" in place. Returns the hint, or NULL when there is none. */
static const char *split_hint(char *line)
{
	char *hint = find_last(line, HINT_MARK);
	size_t length = strlen(line);

	if (!hint || line[length - 1] != ')')
		return NULL;
	line[length - 1] = '\0';
	*hint = '\0';
	return hint + strlen(HINT_MARK);
}

bool error_from_hook(const char *libvirt_text, struct error *err)
{
	const char *mark = strstr(libvirt_text, ERROR_MARK);
	_cleanup_free_ char *line = NULL;
	const char *hint;
	char *message;
	uint64_t code;

	if (!mark)
		return false;
	mark += strlen(ERROR_MARK);
	line = text_dup_n(mark, strcspn(mark, "\r\n"));
	message = strstr(line, "] ");
	if (!message)
		return false;
	*message = '\0';
	message += 2;
	if (parse_number(line, 1, 255, &code) < 0)
		return false;
	hint = split_hint(message);
	error_set(err, (int)code, "%s", message);
	if (hint)
		error_hint(err, "%s", hint);
	return true;
}
