/* Signals end waits, and undoing is not ended by them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "base/interrupt.h"
#include "base/process.h"

static const char *const sleep_long[] = {"sleep", "60", NULL};
static const char *const sleep_short[] = {"sleep", "0.1", NULL};

static void nothing_caught_at_first(void **state)
{
	(void)state;
	assert_int_equal(interrupt_fd(), -1);
	assert_int_equal(interrupt_pending(), 0);
}

static void a_wait_ends(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct process process = PROCESS_INIT;
	time_t began = time(NULL);

	(void)state;
	interrupt_catch();
	raise(SIGTERM);
	raise(SIGINT);
	assert_int_equal(interrupt_pending(), SIGTERM);
	process.argv = sleep_long;
	assert_int_equal(process_run(&process, &err), -1);
	assert_int_equal(err.code, 128 + SIGTERM);
	assert_string_equal(err.message, "interrupted");
	assert_int_equal(process.pidfd, -1);
	assert_true(time(NULL) - began < 30);
}

static void a_hold_delays(void **state)
{
	struct interrupt hold = interrupt_hold();

	(void)state;
	assert_int_equal(interrupt_pending(), 0);
	raise(SIGHUP);
	assert_int_equal(interrupt_pending(), SIGHUP);
	signal(SIGHUP, SIG_IGN); /* discards it */
	interrupt_release(&hold);
	assert_int_equal(interrupt_pending(), 0);
	signal(SIGHUP, SIG_DFL);
}

/* A child in the foreground gets the signal; its own end counts. */
static void an_interactive_child_decides(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct process process = PROCESS_INIT;
	int status = 0;

	(void)state;
	process.argv = sleep_long;
	process.foreground = true;
	assert_int_equal(process_start(&process, &err), 0);
	assert_int_equal(process_wait(&process, &status, &err), 0);
	assert_int_equal(status, 128 + SIGTERM);
}

static void undoing_is_not_ended(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct process process = PROCESS_INIT;

	(void)state;
	interrupt_hold_off();
	assert_int_equal(interrupt_fd(), -1);
	assert_int_equal(interrupt_pending(), 0);
	process.argv = sleep_short;
	assert_int_equal(process_run(&process, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_caught_at_first),
		cmocka_unit_test(a_hold_delays),
		cmocka_unit_test(a_wait_ends),
		cmocka_unit_test(an_interactive_child_decides),
		cmocka_unit_test(undoing_is_not_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
