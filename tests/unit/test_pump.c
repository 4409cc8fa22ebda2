/* Streams of a command: both at once, more than any pipe holds, and ends of all kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <string.h>

#include "base/text.h"
#include "provision/pump.h"

#define TOTAL (3 * 1024 * 1024 + 17)

struct stream {
	size_t given, taken;
	size_t refuse_after; /* 0: never */
};

static ssize_t give(void *data, char *buffer, size_t room, struct error *err)
{
	struct stream *stream = data;
	size_t length = TOTAL - stream->given < room ? TOTAL - stream->given : room;

	(void)err;
	for (size_t i = 0; i < length; i++)
		buffer[i] = (char)((stream->given + i) % 251);
	stream->given += length;
	return (ssize_t)length;
}

static int take(void *data, const char *bytes, size_t length, struct error *err)
{
	struct stream *stream = data;

	for (size_t i = 0; i < length; i++)
		if (bytes[i] != (char)((stream->taken + i) % 251))
			return error_set(err, EX_DATAERR, "byte %zu differs", stream->taken + i);
	stream->taken += length;
	if (stream->refuse_after && stream->taken > stream->refuse_after)
		return error_set(err, EX_DATAERR, "enough");
	return 0;
}

/* As ssh_run() does it: until the child has ended and all it said is read. */
static int run(const char *const *argv, const struct ssh_streams *streams, int *ret_status,
	       struct error *err)
{
	_cleanup_pump_ struct pump pump = PUMP_INIT;
	struct process process = PROCESS_INIT;
	struct pollfd fds[PUMP_FDS + 1];

	process.argv = argv;
	assert_int_equal(pump_open(&pump, streams, &process, err), 0);
	assert_int_equal(process_start(&process, err), 0);
	pump_started(&pump);
	for (;;) {
		fds[0] = (struct pollfd){.fd = process.pidfd, .events = POLLIN};
		pump_poll(&pump, &fds[1]);
		assert_true(poll(fds, PUMP_FDS + 1, 30000) > 0);
		if (fds[0].revents)
			break;
		if (pump_turn(&pump, err) < 0) {
			process_kill(&process);
			return -1;
		}
	}
	if (pump_finish(&pump, err) < 0) {
		process_kill(&process);
		return -1;
	}
	return process_wait(&process, ret_status, err);
}

static void everything_comes_through(void **state)
{
	static const char *const argv[] = {"cat", NULL};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct stream stream = {0};
	const struct ssh_streams streams = {
		.produce = give, .consume = take, .data = &stream, .errors = NULL};
	int status = -1;

	(void)state;
	if (run(argv, &streams, &status, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(status, 0);
	assert_int_equal(stream.taken, TOTAL);
}

static void a_reader_that_refuses_ends_it(void **state)
{
	static const char *const argv[] = {"cat", NULL};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct stream stream = {.refuse_after = 100000};
	const struct ssh_streams streams = {
		.produce = give, .consume = take, .data = &stream, .errors = NULL};
	int status = -1;

	(void)state;
	assert_int_equal(run(argv, &streams, &status, &err), -1);
	assert_string_equal(err.message, "enough");
}

/* A command that reads nothing and complains without end: neither blocks, little is kept. */
static void complaints_are_bounded(void **state)
{
	static const char *const argv[] = {
		"sh", "-c",
		"exec <&-; i=0; while [ $i -lt 9999 ]; do echo complaint $i >&2; "
		"i=$((i+1)); done; exit 7",
		NULL};
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	struct stream stream = {0};
	const struct ssh_streams streams = {
		.produce = give, .consume = take, .data = &stream, .errors = &errors};
	int status = -1;

	(void)state;
	assert_int_equal(run(argv, &streams, &status, &err), 0);
	assert_int_equal(status, 7);
	assert_true(text_starts(strbuf_text(&errors), "complaint 0\n"));
	assert_int_equal(errors.length, 4096);
}

static void without_input_there_is_none(void **state)
{
	static const char *const argv[] = {"sh", "-c", "wc -c >&2", NULL};
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	const struct ssh_streams streams = {.errors = &errors};
	int status = -1;

	(void)state;
	assert_int_equal(run(argv, &streams, &status, &err), 0);
	assert_string_equal(strbuf_text(&errors), "0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_comes_through),
		cmocka_unit_test(a_reader_that_refuses_ends_it),
		cmocka_unit_test(complaints_are_bounded),
		cmocka_unit_test(without_input_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
