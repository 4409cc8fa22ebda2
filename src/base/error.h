/*
 * The one error type: a value that the caller owns and passes down.
 *
 * Library code fills it in and returns -1; only the two main programs print it. The exit code is
 * chosen where the failure is understood (sysexits, see docs/exit-codes.md); callers above add
 * context in front of the message and, where they know it, the way out as a hint.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>
#include <sysexits.h>

#include "base/cleanup.h"

struct error {
	int code;      /* exit status of the program, one of sysexits or EXIT_STATE; 0: no error */
	int err;       /* the errno behind it, or 0 */
	char *message; /* one sentence without a final dot; may hold untrusted bytes */
	char *hint;    /* the way out, or NULL */
	char *place;   /* "FILE:LINE:COLUMN" of what is wrong in a user's file, or NULL */
	char *detail;  /* lines to show below the message (a source line and a caret), or NULL */
};

/* The sandbox is in the wrong state for the command: not created, not running. */
#define EXIT_STATE 1

#define ERROR_INIT \
	{          \
		0  \
	}
#define _cleanup_error_ _cleanup_(error_done)

/*
 * Sets *err, replacing what it held. Always returns -1, so that `return error_set(…)` reads well.
 * @code: exit status. error_errno() also records errno and appends its text to the message.
 */
int error_set(struct error *err, int code, const char *format, ...) PRINTF_LIKE(3, 4);
int error_errno(struct error *err, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "text: " in front of the message. Returns -1. */
int error_prefix(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Sets the way out; the hint that is nearest to the cause (set first) stays. Returns -1. */
int error_hint(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Sets the place in a user's file, shown as "PLACE: error: message". Returns -1. */
int error_place(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Sets the lines shown between message and hint; escaped when printed. Returns -1. */
int error_detail(struct error *err, const char *lines);

/* True when *err holds an error. */
bool error_is_set(const struct error *err);

/* Moves *from into *to, which is freed first; *from is empty afterwards. */
void error_move(struct error *to, struct error *from);

/* Frees what *err owns and empties it. */
void error_done(struct error *err);

#if defined(__clang_analyzer__) && !defined(ERROR_IMPLEMENTATION)
/* The analyser does not look into error.c: it is told here that the result is always -1. */
static inline int error_result(int result)
{
	(void)result;
	return -1;
}
#define error_set(...)	  error_result((error_set)(__VA_ARGS__))
#define error_errno(...)  error_result((error_errno)(__VA_ARGS__))
#define error_prefix(...) error_result((error_prefix)(__VA_ARGS__))
#define error_hint(...)	  error_result((error_hint)(__VA_ARGS__))
#define error_place(...)  error_result((error_place)(__VA_ARGS__))
#define error_detail(...) error_result((error_detail)(__VA_ARGS__))
#endif

#endif
