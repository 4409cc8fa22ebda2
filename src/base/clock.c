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
