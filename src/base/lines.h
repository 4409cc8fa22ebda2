/*
 * A growing list of lines.
 */
#ifndef BASE_LINES_H
#define BASE_LINES_H

#include "base/cleanup.h"

struct lines {
	char **items;
	size_t count;
};

/* Adds a copy. */
void lines_add(struct lines *lines, const char *line);
void lines_addf(struct lines *lines, const char *format, ...) PRINTF_LIKE(2, 3);
void lines_done(struct lines *lines);
#define _cleanup_lines_ _cleanup_(lines_done)

#endif
