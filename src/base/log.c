/*
 * The only writer of diagnostics. Every line is escaped here, so that no caller can forget to.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/text.h"

#define REDRAW_MS 100

/* Who else gets what is shown (log_keep()). */
static struct {
	void (*take)(void *data, const char *line);
	void *data;
} keeper;

void log_keep(void (*take)(void *data, const char *line), void *data)
{
	keeper.take = take;
	keeper.data = data;
}

/* Shows @label, in the colour of SGR @colour, and @text, both fit for a terminal, as one line. */
static void show(const char *before, const char *label, const char *colour, const char *text)
{
	const bool coloured = *colour && log_has_colour(STDERR_FILENO);
	_cleanup_free_ char *line = NULL;

	fprintf(stderr, "%s%s%s%s%s\n", before, coloured ? colour : "", label,
		coloured ? "\033[0m" : "", text);
	if (!keeper.take)
		return;
	line = text_format("%s%s%s", before, label, text);
	keeper.take(keeper.data, line);
}

bool log_has_colour(int fd)
{
	const char *no_colour = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");

	return isatty(fd) && !(no_colour && *no_colour) && terminal &&
	       !text_equal(terminal, "dumb");
}

/* Prints @place (if any), @label (coloured by SGR @colour) and the text as one escaped line. */
static void print_placed(const char *place, const char *label, const char *colour, const char *text)
{
	_cleanup_free_ char *safe = text_escape(text, strlen(text), false);
	_cleanup_free_ char *where = place ? text_escape(place, strlen(place), false) : NULL;
	_cleanup_free_ char *before = where ? text_format("%s: ", where) : text_dup("");

	show(before, label, colour, safe);
}

static void print_line(const char *label, const char *colour, const char *text)
{
	print_placed(NULL, label, colour, text);
}

static void print_format(const char *label, const char *colour, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

static void print_format(const char *label, const char *colour, const char *format, va_list args)
{
	_cleanup_free_ char *text = text_format_args(format, args);

	print_line(label, colour, text);
}

void log_step(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_format("==> ", "\033[1;32m", format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_format("    ", "", format, args);
	va_end(args);
}

void log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_format("warning: ", "\033[1;33m", format, args);
	va_end(args);
}

/* Prints lines that keep their shape (a caret stands below its character), indented. */
static void print_detail(const char *lines)
{
	_cleanup_free_ char *safe = text_escape(lines, strlen(lines), true);

	for (const char *at = safe; *at;) {
		size_t length = strcspn(at, "\n");

		_cleanup_free_ char *line = text_dup_n(at, length);

		show("    ", "", "", line);
		at += length + (at[length] == '\n');
	}
}

void log_output(const char *title, const char *bytes, size_t length)
{
	_cleanup_free_ char *safe_title = text_escape(title, strlen(title), false);
	_cleanup_free_ char *safe = text_escape(bytes, length, true);

	show(safe_title, length ? " | " : " |", "", safe);
}

void log_error(const struct error *err)
{
	print_placed(err->place, "error: ", "\033[1;31m", err->message ? err->message : "failed");
	if (err->detail)
		print_detail(err->detail);
	if (err->hint)
		print_line("hint: ", "\033[1m", err->hint);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void progress_begin(struct progress *progress, const char *what, uint64_t total)
{
	*progress = (struct progress){.what = what, .total = total};
	if (!isatty(STDERR_FILENO))
		log_info("%s", what);
}

void progress_update(struct progress *progress, uint64_t done)
{
	int64_t now = now_ms();

	progress->done = done;
	if (!isatty(STDERR_FILENO) || now - progress->shown_ms < REDRAW_MS)
		return;
	progress->shown_ms = now;
	if (progress->total)
		fprintf(stderr, "\r\033[K    %s %3u %%", progress->what,
			(unsigned int)(done >= progress->total ? 100
							       : done * 100 / progress->total));
	else
		fprintf(stderr, "\r\033[K    %s %llu MiB", progress->what,
			(unsigned long long)(done >> 20));
}

void progress_end(struct progress *progress)
{
	if (isatty(STDERR_FILENO)) {
		fputs("\r\033[K", stderr);
		log_info("%s", progress->what);
	}
}
