/*
 * Golden files: generated text is compared with tests/golden/NAME. MIGRANT_GOLDEN=write writes the
 * files instead; their diff is what a review looks at. Include after cmocka.h.
 */
#ifndef UNIT_GOLDEN_H
#define UNIT_GOLDEN_H

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"

static inline void assert_golden(const char *text, const char *name)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *path = text_format(TESTS_DIR "/golden/%s", name);
	_cleanup_free_ char *expected = NULL;

	if (text_equal(getenv("MIGRANT_GOLDEN"), "write") &&
	    file_replace(AT_FDCWD, path, text, strlen(text), 0644, &err) < 0)
		fail_msg("%s", err.message);
	if (file_read(AT_FDCWD, path, 1 << 20, &expected, NULL, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(text, expected);
}

#endif
