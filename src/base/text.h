/*
 * Small string helpers: allocation that cannot fail, and the one escape for untrusted text.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

/* Allocation that aborts when memory runs out. text_dup(NULL) is NULL. The caller frees. */
char *text_dup(const char *text);
char *text_dup_n(const char *text, size_t length);
char *text_format_args(const char *format, va_list args) __attribute__((format(printf, 1, 0)));
char *text_format(const char *format, ...) PRINTF_LIKE(1, 2);
void *xcalloc(size_t count, size_t size);
void *xreallocarray(void *pointer, size_t count, size_t size);

static inline bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static inline bool text_starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Frees a NULL-terminated list of strings; NULL is fine. */
void free_list(char **list);

static inline void cleanup_list(char ***list)
{
	free_list(*list);
}
#define _cleanup_list_ _cleanup_(cleanup_list)

bool text_ends(const char *text, const char *suffix);

/* Replaces *slot by a copy of @text (NULL allowed) and frees what was there. */
void text_replace(char **slot, const char *text);

/* True when the bytes are valid UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool text_is_utf8(const char *text, size_t length);

/* True when text_escape() would change nothing in it but backslashes. */
bool text_is_plain(const char *text, size_t length);

/* The same for a JSON document (RFC 8259): \uNNNN, and U+FFFD for bytes that are not UTF-8. */
char *text_escape_json(const char *json);

/* Number of single-character edits between two strings (Levenshtein), for near-miss hints. */
size_t text_distance(const char *a, const char *b);

/* The last line of @text that is not empty, without its newline. The caller frees. */
char *text_last_line(const char *text);
/* Bytes as lower-case hexadecimal digits, and back (NULL when they are none). The caller frees. */
char *text_hex(const char *bytes, size_t length);
char *text_unhex(const char *digits, size_t *ret_length);

/* @text as one word for a POSIX shell, in single quotes. The caller frees. */
char *text_shell_quote(const char *text);

/*
 * Untrusted bytes made fit for a terminal: C0, DEL, C1, invalid UTF-8, bidirectional and invisible
 * format characters (Unicode TR 36 §2.4) become \xNN, a backslash becomes \\. With @keep_newlines,
 * '\n' and '\t' stay. The caller frees.
 */
char *text_escape(const char *text, size_t length, bool keep_newlines);

#endif
