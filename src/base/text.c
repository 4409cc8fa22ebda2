/*
 * String helpers and the escape that everything guest-derived passes before it is shown: what a
 * guest prints must not drive the terminal of the person who looks at it.
 */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/strbuf.h"

char *text_dup(const char *text)
{
	return text ? text_dup_n(text, strlen(text)) : NULL;
}

char *text_dup_n(const char *text, size_t length)
{
	char *copy = xcalloc(length + 1, 1);

	memcpy(copy, text, length);
	return copy;
}

char *text_format_args(const char *format, va_list args)
{
	char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		abort();
	return text;
}

char *text_format(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = text_format_args(format, args);
	va_end(args);
	return text;
}

void *xcalloc(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size ? size : 1);

	if (!memory)
		abort();
	return memory;
}

void *xreallocarray(void *pointer, size_t count, size_t size)
{
	void *memory = reallocarray(pointer, count ? count : 1, size ? size : 1);

	if (!memory)
		abort();
	return memory;
}

void free_list(char **list)
{
	for (char **entry = list; entry && *entry; entry++)
		free(*entry);
	free(list);
}

bool text_ends(const char *text, const char *suffix)
{
	size_t length = strlen(text);
	size_t tail = strlen(suffix);

	return length >= tail && strcmp(text + length - tail, suffix) == 0;
}

void text_replace(char **slot, const char *text)
{
	char *copy = text_dup(text);

	free(*slot);
	*slot = copy;
}

/*
 * Decodes one code point of @text. Returns its length in bytes, or 0 when the bytes are not UTF-8
 * as RFC 3629 §4 defines it.
 */
static size_t decode(const unsigned char *text, size_t length, uint32_t *ret_code)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t size;
	uint32_t code;

	if (text[0] < 0x80) {
		*ret_code = text[0];
		return 1;
	}
	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		size = 2;
	else if (text[0] >= 0xe0 && text[0] <= 0xef)
		size = 3;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		size = 4;
	else
		return 0;
	if (size > length)
		return 0;

	code = text[0] & (0xffu >> (size + 1));
	for (size_t i = 1; i < size; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3fu);
	}
	if (code < smallest[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return size;
}

bool text_is_utf8(const char *text, size_t length)
{
	const unsigned char *bytes = (const unsigned char *)text;
	uint32_t code;

	for (size_t at = 0; at < length;) {
		size_t size = decode(bytes + at, length - at, &code);

		if (!size)
			return false;
		at += size;
	}
	return true;
}

/* Control characters and those that reorder or hide text (Unicode TR 36 §2.4, TR 39 §3.1). */
static bool is_unsafe(uint32_t code)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0x00, 0x1f},	  {0x7f, 0x9f},	    {0xad, 0xad},	{0x61c, 0x61c},
		{0x115f, 0x1160}, {0x180e, 0x180e}, {0x200b, 0x200f},	{0x2028, 0x202e},
		{0x2060, 0x206f}, {0x3164, 0x3164}, {0xfe00, 0xfe0f},	{0xfeff, 0xfeff},
		{0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	return false;
}

bool text_is_plain(const char *text, size_t length)
{
	const unsigned char *bytes = (const unsigned char *)text;
	uint32_t code;

	for (size_t at = 0; at < length;) {
		size_t size = decode(bytes + at, length - at, &code);

		if (!size || is_unsafe(code))
			return false;
		at += size;
	}
	return true;
}

char *text_hex(const char *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	char *text = xcalloc(2 * length + 1, 1);

	for (size_t i = 0; i < length; i++) {
		text[2 * i] = digits[(unsigned char)bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 0xf];
	}
	return text;
}

static int digit_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

char *text_unhex(const char *digits, size_t *ret_length)
{
	size_t length = strlen(digits) / 2;
	_cleanup_free_ char *bytes = xcalloc(length + 1, 1);

	for (size_t i = 0; i < length; i++) {
		int high = digit_value(digits[2 * i]);
		int low = digit_value(digits[2 * i + 1]);

		if (high < 0 || low < 0)
			return NULL;
		bytes[i] = (char)(high << 4 | low);
	}
	*ret_length = length;
	return digits[2 * length] ? NULL : take_ptr(bytes);
}

char *text_shell_quote(const char *text)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	strbuf_add_char(&out, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			strbuf_add_text(&out, "'\\''");
		else
			strbuf_add_char(&out, *text);
	}
	strbuf_add_char(&out, '\'');
	return strbuf_take(&out);
}

char *text_escape(const char *text, size_t length, bool keep_newlines)
{
	const unsigned char *bytes = (const unsigned char *)text;
	struct strbuf out = STRBUF_INIT;

	for (size_t at = 0; at < length;) {
		uint32_t code = 0;
		size_t size = decode(bytes + at, length - at, &code);
		bool kept = keep_newlines && (code == '\n' || code == '\t');

		if (size && (kept || !is_unsafe(code))) {
			strbuf_add(&out, text + at, size);
			if (code == '\\')
				strbuf_add_char(&out, '\\');
			at += size;
			continue;
		}
		for (size_t end = at + (size ? size : 1); at < end; at++)
			strbuf_addf(&out, "\\x%02x", bytes[at]);
	}
	return strbuf_take(&out);
}

/* As a JSON string may have it: two escapes for what is beyond the first plane (RFC 8259 §7). */
static void add_json_escape(struct strbuf *out, uint32_t code)
{
	if (code < 0x10000)
		strbuf_addf(out, "\\u%04x", code);
	else
		strbuf_addf(out, "\\u%04x\\u%04x", 0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
}

char *text_escape_json(const char *json)
{
	const unsigned char *bytes = (const unsigned char *)json;
	const size_t length = strlen(json);
	struct strbuf out = STRBUF_INIT;
	size_t size;

	for (size_t at = 0; at < length; at += size ? size : 1) {
		uint32_t code = 0xfffd;

		size = decode(bytes + at, length - at, &code);
		if (size && (code == '\n' || !is_unsafe(code)))
			strbuf_add(&out, json + at, size);
		else
			add_json_escape(&out, size ? code : 0xfffd);
	}
	return strbuf_take(&out);
}

size_t text_distance(const char *a, const char *b)
{
	size_t width = strlen(b) + 1;
	_cleanup_free_ size_t *row = xcalloc(width, sizeof(*row));

	for (size_t j = 0; j < width; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j < width; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[width - 1];
}

char *text_last_line(const char *text)
{
	size_t end = strlen(text);
	size_t begin;

	while (end && text[end - 1] == '\n')
		end--;
	for (begin = end; begin && text[begin - 1] != '\n'; begin--)
		;
	return text_dup_n(text + begin, end - begin);
}
