/*
 * The string buffer that all generated text goes through.
 */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

static void reserve(struct strbuf *buf, size_t extra)
{
	size_t want;

	if (extra > SIZE_MAX / 2 - buf->length - 1)
		abort();
	want = buf->length + extra + 1;
	if (want <= buf->room)
		return;
	buf->room = want < 64 ? 64 : want + want / 2;
	buf->text = xreallocarray(buf->text, buf->room, 1);
}

void strbuf_add(struct strbuf *buf, const void *bytes, size_t length)
{
	reserve(buf, length);
	if (length)
		memcpy(buf->text + buf->length, bytes, length);
	buf->length += length;
	buf->text[buf->length] = '\0';
}

void strbuf_add_text(struct strbuf *buf, const char *text)
{
	strbuf_add(buf, text, strlen(text));
}

void strbuf_add_char(struct strbuf *buf, char byte)
{
	strbuf_add(buf, &byte, 1);
}

void strbuf_addf(struct strbuf *buf, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	text = text_format_args(format, args);
	va_end(args);
	strbuf_add_text(buf, text);
}

void strbuf_reserve(struct strbuf *buf, size_t extra)
{
	reserve(buf, extra);
	buf->text[buf->length] = '\0';
}

void strbuf_truncate(struct strbuf *buf, size_t length)
{
	if (length > buf->length)
		abort();
	if (!buf->text)
		return;
	buf->length = length;
	buf->text[length] = '\0';
}

const char *strbuf_text(const struct strbuf *buf)
{
	return buf->text ? buf->text : "";
}

char *strbuf_take(struct strbuf *buf)
{
	char *text;

	reserve(buf, 0);
	buf->text[buf->length] = '\0';
	text = buf->text;
	*buf = (struct strbuf)STRBUF_INIT;
	return text;
}

void strbuf_done(struct strbuf *buf)
{
	free(buf->text);
	*buf = (struct strbuf)STRBUF_INIT;
}
