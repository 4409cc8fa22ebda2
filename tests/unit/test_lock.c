/* Locks by name: who has to wait for whom, and who does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "command/lock.h"

#define TEMPLATE "/tmp/migrant-lock-XXXXXX"

static char home[sizeof(TEMPLATE)];

static int make_home(void **state)
{
	(void)state;
	memcpy(home, TEMPLATE, sizeof(TEMPLATE));
	return mkdtemp(home) ? setenv("HOME", home, 1) : -1;
}

static int remove_home(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)state;
	return file_remove_tree(AT_FDCWD, home, &err);
}

/* The status with which a process of its own ends that tries to take it. */
static int tried_by_another(const char *name, unsigned int seconds)
{
	int status = 0;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		_cleanup_error_ struct error err = ERROR_INIT;
		int fd = -1;

		_exit(lock_name(name, seconds, &fd, &err) < 0 ? err.code : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void one_name_is_one_migrants(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_close_ int left = -1, right = -1, again = -1;

	(void)state;
	assert_int_equal(lock_name("left", 1, &left, &err), 0);
	assert_int_equal(tried_by_another("left", 0), EX_TEMPFAIL);
	assert_int_equal(tried_by_another("left", 1), EX_TEMPFAIL);
	assert_int_equal(tried_by_another("right", 0), 0);
	/* nor has one process it twice */
	assert_int_equal(lock_name("left", 0, &again, &err), -1);
	assert_int_equal(err.code, EX_TEMPFAIL);
	error_done(&err);
	assert_int_equal(lock_name("right", 0, &right, &err), 0);
	cleanup_close(&left);
	assert_int_equal(tried_by_another("left", 0), 0);
	assert_int_equal(tried_by_another("right", 0), EX_TEMPFAIL);
	assert_int_equal(tried_by_another(LOCK_DISKS, 0), 0);
}

static void whatever_the_environment_says(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_close_ int fd = -1;

	(void)state;
	assert_int_equal(setenv("XDG_STATE_HOME", "/nonexistent", 1), 0);
	assert_int_equal(lock_name("left", 0, &fd, &err), 0);
	assert_int_equal(unsetenv("XDG_STATE_HOME"), 0);
	assert_int_equal(tried_by_another("left", 0), EX_TEMPFAIL);
}

static void the_file_holds_nothing_and_is_no_link(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *path = text_format("%s/.local/state/migrant/locks", home);
	_cleanup_close_ int fd = -1;
	struct stat status;

	(void)state;
	assert_int_equal(lock_name("left", 0, &fd, &err), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/null", path), 0);
	cleanup_close(&fd);
	assert_int_equal(lock_name("left", 0, &fd, &err), -1);
	assert_int_equal(err.code, EX_CANTCREAT);
	assert_non_null(strstr(err.message, path));
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_name_is_one_migrants),
		cmocka_unit_test(whatever_the_environment_says),
		cmocka_unit_test(the_file_holds_nothing_and_is_no_link),
	};

	return cmocka_run_group_tests(tests, make_home, remove_home);
}
