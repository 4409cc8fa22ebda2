/* The lines of provisioners, however they arrive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "provision/output.h"

static void count_line(void *data, const char *line)
{
	(void)line;
	++*(size_t *)data;
}

/* What is shown of @text when it arrives in pieces of @piece bytes; the caller frees. */
static char *shown(const char *text, size_t length, size_t piece, size_t *ret_lines)
{
	_cleanup_close_ int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	_cleanup_close_ int pipe_read = -1;
	_cleanup_output_ struct output output = {
		.title = "a\033b", .look = count_line, .data = ret_lines};
	_cleanup_error_ struct error err = ERROR_INIT;
	char *result = NULL;
	int pipes[2];

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pipe_read = pipes[0];
	assert_true(fcntl(pipes[1], F_SETPIPE_SZ, 1 << 20) > 0);
	assert_true(dup2(pipes[1], STDERR_FILENO) >= 0);
	*ret_lines = 0;
	for (size_t at = 0; at < length; at += piece)
		output_add(&output, text + at, length - at < piece ? length - at : piece);
	output_end(&output);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(pipes[1]);
	assert_int_equal(file_read_fd(pipe_read, 1 << 20, &result, NULL, &err), 0);
	return result;
}

static void lines_are_whole_and_safe(void **state)
{
	static const char text[] = "one\r\ntwo\n\n10%\r20%\r\n\ttab \033]0;x\007\xff\nlast";
	static const char expected[] = "a\\x1bb | one\n"
				       "a\\x1bb | two\n"
				       "a\\x1bb |\n"
				       "a\\x1bb | 10%\n"
				       "a\\x1bb | 20%\n"
				       "a\\x1bb | \ttab \\x1b]0;x\\x07\\xff\n"
				       "a\\x1bb | last\n";

	(void)state;
	for (size_t piece = 1; piece <= sizeof(text); piece++) {
		size_t lines = 0;
		_cleanup_free_ char *got = shown(text, sizeof(text) - 1, piece, &lines);

		assert_string_equal(got, expected);
		assert_int_equal(lines, 7);
	}
}

static void a_line_without_end_is_cut(void **state)
{
	_cleanup_free_ char *text = xcalloc(1, 100000);
	size_t lines = 0;
	_cleanup_free_ char *got = NULL;

	(void)state;
	memset(text, 'x', 100000);
	got = shown(text, 100000, 777, &lines);
	assert_int_equal(lines, (100000 + 8191) / 8192);
	assert_true(strlen(got) > 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_whole_and_safe),
		cmocka_unit_test(a_line_without_end_is_cut),
	};

	return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
