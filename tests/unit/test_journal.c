/* What `up` says is kept: with a time, without colour or control bytes, capped, for its user alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "provision/journal.h"

#define TEMPLATE "/tmp/migrant-journal-XXXXXX"

static char directory[sizeof(TEMPLATE)];
static int stderr_before = -1;

/* What is shown is not of interest here. */
static int begin(void **state)
{
	_cleanup_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)state;
	memcpy(directory, TEMPLATE, sizeof(TEMPLATE));
	if (!mkdtemp(directory) || setenv("XDG_STATE_HOME", directory, 1) < 0)
		return -1;
	stderr_before = dup(STDERR_FILENO);
	return dup2(null, STDERR_FILENO) < 0 ? -1 : 0;
}

static int end(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)state;
	dup2(stderr_before, STDERR_FILENO);
	close(stderr_before);
	log_keep(NULL, NULL);
	return file_remove_tree(AT_FDCWD, directory, &err);
}

static char *read_log(bool is_older)
{
	_cleanup_free_ char *path = journal_path("box", is_older);
	_cleanup_error_ struct error err = ERROR_INIT;
	char *text = NULL;

	if (file_read(AT_FDCWD, path, 2 * JOURNAL_MAX, &text, NULL, &err) < 0)
		assert_int_equal(err.code, EX_NOINPUT);
	return text;
}

/* The line behind the time. */
static void assert_line(const char **at, const char *expected)
{
	_cleanup_free_ char *line = text_dup_n(*at, strcspn(*at, "\n"));

	assert_true(strlen(line) > strlen("2026-01-31T12:00:00Z "));
	assert_int_equal(line[19], 'Z');
	assert_string_equal(line + strlen("2026-01-31T12:00:00Z "), expected);
	*at += strlen(line) + 1;
}

static void test_every_line_as_it_is_shown(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *path = journal_path("box", false);
	struct stat status;
	const char *at;

	(void)state;
	log_info("before: not kept");
	journal_begin("box");
	log_step("box: up");
	log_output("tools", "a\033[2Jb\\", 7);
	error_set(&err, EX_SOFTWARE, "it failed");
	error_detail(&err, "one\ntwo");
	error_hint(&err, "try again");
	log_error(&err);
	at = text = read_log(false);
	assert_line(&at, "==> box: up");
	assert_line(&at, "tools | a\\x1b[2Jb\\\\");
	assert_line(&at, "error: it failed");
	assert_line(&at, "    one");
	assert_line(&at, "    two");
	assert_line(&at, "hint: try again");
	assert_int_equal(*at, '\0');
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void test_two_files_and_no_more(void **state)
{
	(void)state;
	journal_begin("box");
	for (int i = 0; i < 400; i++)
		log_info("%08d%08000d", i, 0);
	{
		_cleanup_free_ char *now = read_log(false);
		_cleanup_free_ char *older = read_log(true);

		assert_non_null(strstr(now, "00000399"));
		assert_true(strlen(now) <= JOURNAL_MAX);
		assert_true(strlen(older) >= JOURNAL_MAX && strlen(older) < JOURNAL_MAX + 9000);
		assert_null(strstr(older, "    00000001"));
	}
	journal_forget("box");
	assert_null(read_log(false));
	assert_null(read_log(true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_line_as_it_is_shown, begin, end),
		cmocka_unit_test_setup_teardown(test_two_files_and_no_more, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
