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
#include "base/strbuf.h"

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
 * Progress of long work in bytes. On a terminal one rewritten line with rate and time left;
 * elsewhere a line at the start. @total 0: unknown.
 */
struct progress {
	const char *what; /* borrowed */
	uint64_t total;
	uint64_t done;
	uint64_t first;	    /* what was done at the first update: an earlier run's */
	int64_t started_ms; /* when that was; 0: not yet */
};
void progress_begin(struct progress *progress, const char *what, uint64_t total);
void progress_update(struct progress *progress, uint64_t done);
/* What the line says @elapsed_ms after the first update: "x  42 %, 12 of 97 MiB, 3.1 MiB/s, 28 s".
 */
void progress_describe(const struct progress *progress, int64_t elapsed_ms, struct strbuf *out);
void progress_end(struct progress *progress);

/*
 * What is going on just now, on a terminal: one line, drawn now and then, that the next one of any
 * kind replaces. NULL takes it away. Elsewhere nothing.
 */
void log_status(const char *text);

/* True when @fd is a terminal that may get colour. */
bool log_has_colour(int fd);

#endif
