/*
 * The one growing string buffer. Always NUL-terminated once something was added; may hold NUL
 * bytes.
 */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include <stddef.h>

#include "base/cleanup.h"

struct strbuf {
	char *text;    /* NULL while nothing was added */
	size_t length; /* bytes in use, without the final NUL */
	size_t room;   /* bytes allocated */
};

#define STRBUF_INIT \
	{           \
		0   \
	}
#define _cleanup_strbuf_ _cleanup_(strbuf_done)

void strbuf_add(struct strbuf *buf, const void *bytes, size_t length);
void strbuf_add_text(struct strbuf *buf, const char *text);
void strbuf_add_char(struct strbuf *buf, char byte);
void strbuf_addf(struct strbuf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/* Makes room for @extra more bytes, until which nothing is moved. For texts that are wiped. */
void strbuf_reserve(struct strbuf *buf, size_t extra);

/* Shortens to @length bytes; longer than the buffer is a programming error and aborts. */
void strbuf_truncate(struct strbuf *buf, size_t length);

/* The text, never NULL; borrowed until the next change. */
const char *strbuf_text(const struct strbuf *buf);

/* Hands the text (never NULL) to the caller and leaves the buffer empty. */
char *strbuf_take(struct strbuf *buf);

void strbuf_done(struct strbuf *buf);

#endif
