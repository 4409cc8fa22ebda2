/* Times as text. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "base/error.h"

/*
 * @time in UTC, to the second, as in 2026-01-31T12:00:00Z (RFC 3339). The caller frees *ret_text,
 * and what it held before is freed. EX_OSERR when no calendar has it.
 */
MUST_CHECK int clock_text(time_t time, char **ret_text, struct error *err);

/* Milliseconds of a clock that nobody sets; it stands still while the host sleeps. */
int64_t clock_ms(void);

#endif
