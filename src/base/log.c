/*
 * The only writer of diagnostics. Every line is escaped here, so that no caller can forget to.
 */
#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/text.h"

#define REDRAW_MS     100
#define RATE_AFTER_MS 1000 /* what was measured before says little */

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

/* What goes on can be drawn over itself; else it is told in lines. */
static bool can_draw(void)
{
	const char *terminal = getenv("TERM");

	return isatty(STDERR_FILENO) && terminal && !text_equal(terminal, "dumb");
}

/* A line that log_status() has drawn stands on the terminal. */
static bool has_status;
static int64_t status_ms; /* … when */

/* The length of what stands in @columns: no character has more columns than bytes. */
static int cut_length(const char *text, size_t columns)
{
	size_t length = strlen(text);

	if (length <= columns)
		return (int)length;
	for (length = columns; length && ((unsigned char)text[length] & 0xc0) == 0x80;)
		length--;
	return (int)length;
}

/* Cut to the terminal's width: a line that wraps cannot be drawn over. */
void log_status(const char *text)
{
	struct winsize size = {.ws_col = 80};
	_cleanup_free_ char *safe = text ? text_escape(text, strlen(text), false) : NULL;

	if (!can_draw() || (text && has_status && clock_ms() - status_ms < REDRAW_MS))
		return;
	status_ms = clock_ms();
	if (has_status)
		fputs("\r\033[K", stderr);
	has_status = text;
	if (!text)
		return;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		size.ws_col = 80;
	if (size.ws_col > 5)
		fprintf(stderr, "    %.*s", cut_length(safe, size.ws_col - 5U), safe);
}

/* Shows @label, in the colour of SGR @colour, and @text, both fit for a terminal, as one line. */
static void show(const char *before, const char *label, const char *colour, const char *text)
{
	const bool coloured = *colour && log_has_colour(STDERR_FILENO);
	_cleanup_free_ char *line = NULL;

	log_status(NULL);
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

void progress_begin(struct progress *progress, const char *what, uint64_t total)
{
	*progress = (struct progress){.what = what, .total = total};
	if (!can_draw())
		log_info("%s", what);
}

/* "12", "3.4": a decimal where it tells something. */
static void add_mib(struct strbuf *out, uint64_t bytes)
{
	const uint64_t tenths = (bytes * 10 + (UINT64_C(1) << 19)) >> 20;

	if (tenths < 100)
		strbuf_addf(out, "%" PRIu64 ".%" PRIu64, tenths / 10, tenths % 10);
	else
		strbuf_addf(out, "%" PRIu64, tenths / 10);
}

static void add_time(struct strbuf *out, uint64_t seconds)
{
	if (seconds < 60)
		strbuf_addf(out, "%" PRIu64 " s", seconds);
	else
		strbuf_addf(out, "%" PRIu64 ":%02" PRIu64 " min", seconds / 60, seconds % 60);
}

void progress_describe(const struct progress *progress, int64_t elapsed_ms, struct strbuf *out)
{
	const uint64_t done = progress->done, total = progress->total;
	const uint64_t come = done - progress->first;
	const uint64_t rate = elapsed_ms > 0 ? come * 1000 / (uint64_t)elapsed_ms : 0;

	strbuf_add_text(out, progress->what);
	if (total)
		strbuf_addf(out, "  %u %%, ",
			    done >= total ? 100U : (unsigned int)(done * 100 / total));
	else
		strbuf_add_text(out, "  ");
	add_mib(out, done);
	if (total) {
		strbuf_add_text(out, " of ");
		add_mib(out, total);
	}
	strbuf_add_text(out, " MiB");
	if (elapsed_ms < RATE_AFTER_MS || rate == 0)
		return;
	strbuf_add_text(out, ", ");
	add_mib(out, rate);
	strbuf_add_text(out, " MiB/s");
	if (done < total) {
		strbuf_add_text(out, ", ");
		add_time(out, (total - done + rate - 1) / rate);
		strbuf_add_text(out, " left");
	}
}

void progress_update(struct progress *progress, uint64_t done)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int64_t now = clock_ms();

	if (!progress->started_ms) {
		progress->first = done;
		progress->started_ms = now;
	}
	progress->done = done;
	progress_describe(progress, now - progress->started_ms, &text);
	log_status(strbuf_text(&text));
}

void progress_end(struct progress *progress)
{
	if (can_draw()) {
		log_status(NULL);
		log_info("%s", progress->what);
	}
}
