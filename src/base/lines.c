/*
 * Findings are collected as lines, for whoever asked to print or to compare.
 */
#include "base/lines.h"

#include <stdarg.h>

#include "base/text.h"

static void add_owned(struct lines *lines, char *line)
{
	lines->items = xreallocarray(lines->items, lines->count + 1, sizeof(*lines->items));
	lines->items[lines->count++] = line;
}

void lines_add(struct lines *lines, const char *line)
{
	add_owned(lines, text_dup(line));
}

void lines_addf(struct lines *lines, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_owned(lines, text_format_args(format, args));
	va_end(args);
}

void lines_done(struct lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->items[i]);
	free(lines->items);
	*lines = (struct lines){0};
}
