/*
 * A guest may print without end and without newlines, so a line has a cap. A carriage return ends a
 * line as well: what draws progress over itself becomes lines that can be read.
 */
#include "provision/output.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define LINE_MAX_SHOWN 8192

static void show(struct output *output, const char *bytes, size_t length)
{
	_cleanup_free_ char *title = text_escape(output->title, strlen(output->title), false);
	_cleanup_free_ char *safe = text_escape(bytes, length, true);
	_cleanup_free_ char *line = text_dup_n(bytes, length);

	fprintf(stderr, "%s |%s%s\n", title, length ? " " : "", safe);
	if (output->look)
		output->look(output->data, line);
}

static bool ends_line(char byte)
{
	return byte == '\n' || byte == '\r';
}

void output_add(struct output *output, const char *bytes, size_t length)
{
	struct strbuf *pending = &output->pending;
	size_t start = 0;

	strbuf_add(pending, bytes, length);
	for (size_t at = 0; at < pending->length; at++) {
		size_t line = at - start;

		if (!ends_line(pending->text[at]) && line < LINE_MAX_SHOWN)
			continue;
		/* "\r\n" is one end, which may arrive in two pieces */
		if (pending->text[at] == '\r' && at + 1 == pending->length)
			break;
		if (pending->text[at] == '\r' && pending->text[at + 1] == '\n')
			continue;
		if (line && pending->text[at] == '\n' && pending->text[at - 1] == '\r')
			line--;
		show(output, pending->text + start, line);
		start = ends_line(pending->text[at]) ? at + 1 : at;
	}
	if (start) {
		memmove(pending->text, pending->text + start, pending->length - start);
		strbuf_truncate(pending, pending->length - start);
	}
}

void output_end(struct output *output)
{
	size_t length = output->pending.length;

	while (length && ends_line(output->pending.text[length - 1]))
		length--;
	if (output->pending.length)
		show(output, output->pending.text, length);
	strbuf_truncate(&output->pending, 0);
}

void output_done(struct output *output)
{
	strbuf_done(&output->pending);
}
