/*
 * A script must neither hang on a question nor have it answered by chance: without a terminal there
 * is an error, and -f is the way.
 */
#include "command/ask.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"

#define ANSWER_MAX 16

int ask_user(const char *question, const char *without, struct error *err)
{
	_cleanup_free_ char *shown = text_escape(question, strlen(question), false);
	char answer[ANSWER_MAX] = "";

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		error_set(err, EX_USAGE, "this asks before it deletes, and there is no terminal");
		return error_hint(err, "%s does not ask", without);
	}
	fprintf(stderr, "%s [y/N] ", shown);
	fflush(stderr);
	if (!fgets(answer, sizeof(answer), stdin))
		fputc('\n', stderr); /* Ctrl-D ends no line */
	if (answer[0] == 'y' || answer[0] == 'Y')
		return 1;
	log_info("nothing was changed");
	return 0;
}
