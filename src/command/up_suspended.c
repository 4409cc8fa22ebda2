/*
 * The step of `up` for a guest that goes on from its saved memory: it has slept, and does not know
 * what time it is.
 */
#include <time.h>

#include "base/log.h"
#include "base/text.h"
#include "command/up.h"

#define ANSWER_MAX 4096

bool up_was_suspended(const struct up *up)
{
	return up->suspended;
}

char *up_what_clock(const struct up *up)
{
	(void)up;
	return text_dup("set the guest's clock");
}

/* A wrong clock is worth a word; the guest is as good as it was. */
int up_clock(struct up *up, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
	_cleanup_error_ struct error why = ERROR_INIT;
	_cleanup_free_ char *script = NULL;
	struct timespec now;
	int status = 0;

	(void)err;
	clock_gettime(CLOCK_REALTIME, &now);
	script =
		text_format("date -u -s @%lld.%03ld", (long long)now.tv_sec, now.tv_nsec / 1000000);
	if (ssh_script(&up->access.access, script, ANSWER_MAX, &answer, &status, &why) < 0)
		log_warning("the guest's clock is not set: %s", why.message);
	else if (status)
		log_warning("the guest has not set its clock");
	return 0;
}
