/*
 * Whatever a guest prints: what comes out of the filter is read again here by a second, stricter
 * reader that knows nothing of the table. The first byte says how the rest is cut into pieces, and
 * whether the terminal speaks UTF-8.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "terminal/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool is_true)
{
	if (!is_true)
		abort();
}

static bool is_one_of(char byte, const char *set)
{
	return byte && strchr(set, byte);
}

/* The two sequences of the window that the filter itself adds around titles. */
static bool is_title_stack(const char *text, size_t length)
{
	return length == 5 && (memcmp(text, "22;0t", 5) == 0 || memcmp(text, "23;0t", 5) == 0);
}

static void check_mode(const char *text, size_t length)
{
	static const char *const forbidden[] = {"?2",	 "?3",	  "?18",   "?19",   "?38",
						"?1001", "?1042", "?1043", "?2031", "?5522",
						"2",	 "20",	  "12"};

	for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++)
		demand(strlen(forbidden[i]) != length - 1 ||
		       memcmp(forbidden[i], text, length - 1) != 0);
	demand(!memchr(text, ';', length));
}

/* One number, with any zeros before it; none at all is 0. */
static bool is_number(const char *text, size_t length, unsigned int wanted)
{
	unsigned int number = 0;

	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (unsigned int)(text[i] - '0');
	}
	return number == wanted;
}

/* @text is what stands behind "ESC [", with the final byte. */
static void check_csi(const char *text, size_t length)
{
	char final = text[length - 1];

	if (is_title_stack(text, length))
		return;
	for (size_t i = 0; i + 1 < length; i++)
		demand((text[i] >= '0' && text[i] <= '?') || is_one_of(text[i], " !$"));
	demand(!is_one_of(final, "NOQRUVWY[\\]^_itvwxyz{|}~ko"));
	if (final == 'n')
		demand(is_number(text, length - 1, 6));
	if (final == 'c')
		demand(text[0] == '>' ? is_number(text + 1, length - 2, 0)
				      : is_number(text, length - 1, 0));
	if (final == 'J')
		demand(is_number(text, length - 1, 0) || is_number(text, length - 1, 1) ||
		       is_number(text, length - 1, 2));
	if (final == 'p')
		demand((length == 2 && text[0] == '!') ||
		       (length > 6 && text[0] == '?' && text[length - 2] == '$' &&
			is_number(text + 1, length - 3, 2026)));
	if (final == 'q')
		demand(length >= 2 && text[length - 2] == ' ');
	if (is_one_of(final, "hl"))
		check_mode(text, length);
	if (is_one_of(final, "rs"))
		demand(text[0] != '?');
}

static size_t csi_length(const char *text, size_t length)
{
	size_t i = 0;

	while (i < length && text[i] >= 0x20 && text[i] < 0x40)
		i++;
	demand(i < length && text[i] >= 0x40 && text[i] < 0x7f);
	return i + 1;
}

/* A title, or the question for a colour, behind "ESC ]", with its end. */
static size_t osc_length(const char *text, size_t length)
{
	size_t i = 2;

	if (length > 4 && text[0] == '1' && is_one_of(text[1], "01"))
		demand(memcmp(text + 2, ";?", 2) == 0 && ((unsigned char)text[4] < 0x20));
	else
		demand(length > 2 && is_one_of(text[0], "012") && text[1] == ';');
	while (i < length && (unsigned char)text[i] >= 0x20 && text[i] != 0x7f)
		i++;
	demand(i < length && i < 500);
	if (text[i] == '\a')
		return i + 1;
	demand(i + 1 < length && text[i] == 0x1b && text[i + 1] == '\\');
	return i + 2;
}

static size_t escape_length(const char *text, size_t length)
{
	demand(length > 1);
	if (text[1] == '[') {
		size_t inner = csi_length(text + 2, length - 2);

		check_csi(text + 2, inner);
		return 2 + inner;
	}
	if (text[1] == ']')
		return 2 + osc_length(text + 2, length - 2);
	if (is_one_of(text[1], "()")) {
		demand(length > 2 && is_one_of(text[2], "0AB"));
		return 3;
	}
	demand(is_one_of(text[1], "78DEMH=>"));
	return 2;
}

static void check_output(const struct strbuf *out, bool is_ascii)
{
	const char *text = strbuf_text(out);

	demand(text_is_utf8(text, out->length));
	for (size_t i = 0; i < out->length; i++) {
		demand(!is_ascii || (unsigned char)text[i] < 0x80);
		demand(i == 0 || (unsigned char)text[i - 1] != 0xc2 ||
		       (unsigned char)text[i] >= 0xa0);
	}
	for (size_t at = 0; at < out->length;) {
		if (text[at] == 0x1b) {
			at += escape_length(text + at, out->length - at);
			continue;
		}
		demand((unsigned char)text[at] >= 0x20 ||
		       is_one_of(text[at], "\a\b\t\n\v\f\r\016\017"));
		demand(text[at] != 0x7f);
		at++;
	}
}

static void filter_all(const char *bytes, size_t length, size_t piece, bool is_ascii, bool ends,
		       struct strbuf *out)
{
	struct filter filter;

	filter_init(&filter, is_ascii);
	for (size_t at = 0; at < length; at += piece)
		filter_add(&filter, bytes + at, length - at < piece ? length - at : piece, out);
	if (ends)
		filter_end(&filter, out);
}

static bool is_equal(const struct strbuf *a, const struct strbuf *b)
{
	return a->length == b->length && memcmp(strbuf_text(a), strbuf_text(b), a->length) == 0;
}

/* What passed once passes as it is. */
static void check_again(const char *bytes, size_t length, bool is_ascii)
{
	_cleanup_strbuf_ struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;

	filter_all(bytes, length, length + 1, is_ascii, false, &once);
	filter_all(strbuf_text(&once), once.length, once.length + 1, is_ascii, false, &twice);
	demand(is_equal(&once, &twice));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_strbuf_ struct strbuf whole = STRBUF_INIT, pieces = STRBUF_INIT;
	const char *bytes = (const char *)data + 1;
	bool is_ascii;

	if (!size)
		return 0;
	is_ascii = data[0] & 0x80;
	filter_all(bytes, size - 1, size, is_ascii, true, &whole);
	filter_all(bytes, size - 1, (data[0] & 0x7f) + 1U, is_ascii, true, &pieces);
	demand(is_equal(&whole, &pieces));
	check_output(&whole, is_ascii);
	check_again(bytes, size - 1, is_ascii);
	return 0;
}
