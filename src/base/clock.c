/*
 * One form of time for all that is kept: records, descriptions of images, boxes, layers, snapshots.
 */
#include "base/clock.h"

#include "base/text.h"

int clock_text(time_t time, char **ret_text, struct error *err)
{
	char text[32];
	struct tm utc;

	if (!gmtime_r(&time, &utc) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc))
		return error_set(err, EX_OSERR, "cannot tell the time");
	text_replace(ret_text, text);
	return 0;
}

int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
