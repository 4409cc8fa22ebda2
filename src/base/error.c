/*
 * Filling in struct error. Nothing here prints: see error.h for who does.
 */
#define ERROR_IMPLEMENTATION
#include "base/error.h"

#include <stdarg.h>
#include <string.h>

#include "base/text.h"

int error_set(struct error *err, int code, const char *format, ...)
{
	va_list args;
	char *message;

	va_start(args, format);
	message = text_format_args(format,
				   args); /* before error_done(): it may quote the old message */
	va_end(args);

	error_done(err);
	err->code = code;
	err->message = message;
	return -1;
}

int error_errno(struct error *err, int code, const char *format, ...)
{
	int saved = errno;
	_cleanup_free_ char *context = NULL;
	va_list args;

	va_start(args, format);
	context = text_format_args(format, args);
	va_end(args);

	error_set(err, code, "%s: %s", context, strerror(saved));
	err->err = saved;
	return -1;
}

int error_prefix(struct error *err, const char *format, ...)
{
	_cleanup_free_ char *context = NULL;
	char *message;
	va_list args;

	va_start(args, format);
	context = text_format_args(format, args);
	va_end(args);

	message = text_format("%s: %s", context, err->message ? err->message : "failed");
	free(err->message);
	err->message = message;
	if (!err->code)
		err->code = EX_SOFTWARE;
	return -1;
}

int error_hint(struct error *err, const char *format, ...)
{
	va_list args;

	if (err->hint)
		return -1;
	va_start(args, format);
	err->hint = text_format_args(format, args);
	va_end(args);
	return -1;
}

int error_place(struct error *err, const char *format, ...)
{
	va_list args;

	free(err->place);
	va_start(args, format);
	err->place = text_format_args(format, args);
	va_end(args);
	return -1;
}

int error_detail(struct error *err, const char *lines)
{
	text_replace(&err->detail, lines);
	return -1;
}

bool error_is_set(const struct error *err)
{
	return err->code != 0;
}

void error_move(struct error *to, struct error *from)
{
	if (to == from)
		return;
	error_done(to);
	*to = *from;
	*from = (struct error)ERROR_INIT;
}

void error_done(struct error *err)
{
	free(err->message);
	free(err->hint);
	free(err->place);
	free(err->detail);
	*err = (struct error)ERROR_INIT;
}
