/*
 * What is wrong in a file must be shown where it stands. Positions are counted as libyaml counts
 * them (code points, from 1 here), so this file turns them into bytes and back, cuts the excerpt,
 * and refuses up front the characters at which libyaml and an editor would count differently.
 */
#include "config/source.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"

/* An excerpt shows at most this many characters before and after the caret's column. */
#define EXCERPT_BEFORE 60
#define EXCERPT_AFTER  40

struct source source_without_bom(const struct source *source)
{
	struct source rest = *source;

	if (rest.length >= 3 && memcmp(rest.text, "\xef\xbb\xbf", 3) == 0) {
		rest.text += 3;
		rest.length -= 3;
	}
	return rest;
}

/* Bytes of a message. */
#define MESSAGE_MAX 300

/* Bytes of the character that begins with @byte; the text is known to be UTF-8, or @byte alone. */
static size_t character_size(unsigned char byte)
{
	if (byte >= 0xf0)
		return 4;
	if (byte >= 0xe0)
		return 3;
	return byte >= 0xc0 ? 2 : 1;
}

size_t source_step(const struct source *source, size_t offset)
{
	size_t next = offset + character_size((unsigned char)source->text[offset]);

	return next < source->length ? next : source->length;
}

static uint32_t code_point(const char *text, size_t size)
{
	const unsigned char *bytes = (const unsigned char *)text;
	uint32_t code = size == 1 ? bytes[0] : bytes[0] & (0xffu >> (size + 1));

	for (size_t i = 1; i < size; i++)
		code = code << 6 | (bytes[i] & 0x3fu);
	return code;
}

struct position source_position(const struct source *source, size_t offset)
{
	struct position position = {1, 1};

	for (size_t at = 0; at < offset && at < source->length; at = source_step(source, at)) {
		position.column++;
		if (source->text[at] == '\n')
			position = (struct position){position.line + 1, 1};
	}
	return position;
}

static size_t line_offset(const struct source *source, unsigned int line)
{
	size_t at = 0;

	for (; line > 1 && at < source->length; line--) {
		const char *end = memchr(source->text + at, '\n', source->length - at);

		at = end ? (size_t)(end - source->text) + 1 : source->length;
	}
	return at;
}

size_t source_offset(const struct source *source, struct position position)
{
	size_t at = line_offset(source, position.line);

	for (; position.column > 1 && at < source->length; position.column--)
		at = source_step(source, at);
	return at;
}

/*
 * Characters that end a line for YAML but not for an editor, that nobody can see, or that reorder
 * what is seen (a reviewer reads another policy than the one that is loaded: CVE-2021-42574).
 */
static bool is_refused(const struct source *source, size_t at, uint32_t code)
{
	if (code == '\r')
		return at + 1 >= source->length || source->text[at + 1] != '\n';
	if (code < 0x20)
		return code != '\n' && code != '\t';
	return (code >= 0x7f && code <= 0x9f) || code == 0x2028 || code == 0x2029 ||
	       (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
	       code == 0xfeff || (code & 0xfffe) == 0xfffe;
}

static size_t first_bad_utf8(const struct source *source)
{
	size_t at = 0;

	while (at < source->length) {
		size_t size = character_size((unsigned char)source->text[at]);

		if (size > source->length - at || !text_is_utf8(source->text + at, size))
			break;
		at += size;
	}
	return at;
}

int source_check(const struct source *source, struct error *err)
{
	const struct position nowhere = {0};
	size_t bad;

	if (source->length > SOURCE_SIZE_MAX)
		return source_error(source, nowhere, err, "larger than %d KiB",
				    SOURCE_SIZE_MAX / 1024);
	bad = first_bad_utf8(source);
	if (bad < source->length)
		return source_error(source, source_position(source, bad), err,
				    "not UTF-8: byte 0x%02x", (unsigned char)source->text[bad]);
	for (size_t at = 0; at < source->length; at = source_step(source, at)) {
		size_t size = character_size((unsigned char)source->text[at]);
		uint32_t code = code_point(source->text + at, size);

		if (is_refused(source, at, code))
			return source_error(source, source_position(source, at), err,
					    "character U+%04X is not allowed", code);
	}
	return 0;
}

/* Width of @text on a terminal once it is escaped, as white space: tabs stay, the rest is blanks.
 */
static void add_padding(struct strbuf *out, const char *text, size_t length)
{
	_cleanup_free_ char *safe = text_escape(text, length, true);

	for (const char *at = safe; *at; at++)
		if (((unsigned char)*at & 0xc0) != 0x80)
			strbuf_add_char(out, *at == '\t' ? '\t' : ' ');
}

char *source_excerpt(const struct source *source, struct position position)
{
	struct strbuf out = STRBUF_INIT;
	size_t line = line_offset(source, position.line);
	const char *newline = memchr(source->text + line, '\n', source->length - line);
	size_t end = newline ? (size_t)(newline - source->text) : source->length;
	size_t caret = source_offset(source, position);
	size_t begin = line;
	size_t stop;
	_cleanup_free_ char *window = NULL;

	if (end > line && source->text[end - 1] == '\r')
		end--;
	if (caret > end)
		caret = end;
	if (position.column > EXCERPT_BEFORE)
		begin = source_offset(
			source, (struct position){position.line, position.column - EXCERPT_BEFORE});
	stop = caret;
	for (size_t i = 0; i < EXCERPT_AFTER && stop < end; i++)
		stop = source_step(source, stop);

	window = text_dup_n(source->text + begin, stop - begin);
	for (size_t i = 0; i < stop - begin; i++)
		if (!window[i])
			window[i] = '?'; /* the detail is a C string */
	strbuf_addf(&out, "%s%s%s\n%s", begin > line ? "..." : "", window, stop < end ? "..." : "",
		    begin > line ? "   " : "");
	add_padding(&out, window, caret - begin);
	strbuf_add_char(&out, '^');
	return strbuf_take(&out);
}

/* A message quotes what is wrong; a value of many KiB would push everything else off the screen. */
static void shorten(char *message)
{
	size_t cut = MESSAGE_MAX;

	if (strlen(message) <= MESSAGE_MAX + 3)
		return;
	while (cut && ((unsigned char)message[cut] & 0xc0) == 0x80)
		cut--;
	memcpy(message + cut, "...", 4);
}

int source_error(const struct source *source, struct position position, struct error *err,
		 const char *format, ...)
{
	_cleanup_free_ char *message = NULL;
	_cleanup_free_ char *excerpt = NULL;
	va_list args;

	va_start(args, format);
	message = text_format_args(format, args);
	va_end(args);
	shorten(message);
	error_set(err, EX_CONFIG, "%s", message);
	if (!position.line)
		return error_place(err, "%s", source->file);
	excerpt = source_excerpt(source, position);
	error_detail(err, excerpt);
	return error_place(err, "%s:%u:%u", source->file, position.line, position.column);
}

/* Behind the quoted text that begins at @at, as YAML ends it. */
static size_t skip_quoted(const struct source *source, size_t at)
{
	char quote = source->text[at++];

	for (; at < source->length; at++) {
		if (quote == '"' && source->text[at] == '\\')
			at++;
		else if (source->text[at] == quote)
			return at + 1;
	}
	return source->length;
}

static size_t skip_line(const struct source *source, size_t at)
{
	while (at < source->length && source->text[at] != '\n')
		at++;
	return at;
}

/* A quote begins a quoted text, and '#' a comment, only where a plain word does not go on. */
static bool begins_token(const struct source *source, size_t at)
{
	return at == 0 || strchr(" \t\n[]{},:", source->text[at - 1]);
}

/* The bracket that closes @open. */
static char closing(char open)
{
	return open == '[' ? ']' : '}';
}

bool source_is_unclosed(const struct source *source, struct position position,
			struct position *ret_position)
{
	size_t open[SOURCE_DEPTH_MAX + 1];
	size_t depth = 0;
	size_t at = source_offset(source, position);

	do {
		char c = at < source->length ? source->text[at] : '\0';

		if ((c == '"' || c == '\'') && begins_token(source, at)) {
			at = skip_quoted(source, at);
			continue;
		}
		if (c == '#' && begins_token(source, at)) {
			at = skip_line(source, at);
			continue;
		}
		if (c == '[' || c == '{') {
			if (depth == ARRAY_SIZE(open))
				return false;
			open[depth++] = at;
		} else if ((c == ']' || c == '}') && depth) {
			if (c != closing(source->text[open[depth - 1]]))
				break;
			depth--;
		}
		at++;
	} while (depth && at < source->length);
	if (!depth)
		return false;
	*ret_position = source_position(source, open[depth - 1]);
	return true;
}
