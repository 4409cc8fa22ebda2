/*
 * What a person sees on stderr while something goes on. Results go to stdout and are not ours.
 *
 * Everything passes text_escape(): names, paths and messages may come from a guest. On a terminal
 * long work shows one progress line that is rewritten; elsewhere it is plain lines. Colour only on
 * a terminal and never with NO_COLOR (https://no-color.org).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* One line of progress: "==> text". */
void log_step(const char *format, ...) PRINTF_LIKE(1, 2);
/* A plain line, indented below a step. */
void log_info(const char *format, ...) PRINTF_LIKE(1, 2);
/* "warning: text". */
void log_warning(const char *format, ...) PRINTF_LIKE(1, 2);

/* A line that a program of the user's or of the guest's has printed: "title | text". */
void log_output(const char *title, const char *bytes, size_t length);

/* From now on @take gets each line as well, as it is shown but without colour. NULL: no more. */
void log_keep(void (*take)(void *data, const char *line), void *data);

/*
 * Prints "error: message" ("PLACE: error: message" for a place in a file), the detail's lines and
 * "hint: …". The one place where an error is shown.
 */
void log_error(const struct error *err);

/*
 * Progress of long work in bytes (or steps). On a terminal one rewritten line; elsewhere a line at
 * the start and at the end. @total 0: unknown.
 */
struct progress {
	const char *what; /* borrowed */
	uint64_t total;
	uint64_t done;
	int64_t shown_ms; /* when the line was last drawn */
};
void progress_begin(struct progress *progress, const char *what, uint64_t total);
void progress_update(struct progress *progress, uint64_t done);
void progress_end(struct progress *progress);

/* True when @fd is a terminal that may get colour. */
bool log_has_colour(int fd);

#endif
