/* Lifecycle hooks: what they are told, what they can do wrong, and which are not run at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "provision/lifecycle.h"

#define TEMPLATE "/tmp/migrant-hooks-XXXXXX"

static char directory[sizeof(TEMPLATE)];

static const char migrantfile[] = "name: box\nhooks: hooks\nshares: [{host: shared, guest: /x}]\n";

static void write_file(const char *name, const char *text, mode_t mode)
{
	_cleanup_free_ char *path = text_format("%s/%s", directory, name);
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(file_replace(AT_FDCWD, path, text, strlen(text), 0600, &err), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int make_project(void **state)
{
	static const char *const made[] = {"", "/hooks", "/shared"};

	(void)state;
	memcpy(directory, TEMPLATE, sizeof(TEMPLATE));
	if (!mkdtemp(directory))
		return -1;
	for (size_t i = 1; i < ARRAY_SIZE(made); i++) {
		_cleanup_free_ char *path = text_format("%s%s", directory, made[i]);

		if (mkdir(path, 0755) < 0)
			return -1;
	}
	return 0;
}

static int remove_project(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)state;
	return file_remove_tree(AT_FDCWD, directory, &err);
}

/* Runs the hook; what appears on stderr goes to *ret_output. */
static int run_hook(const char *hook, unsigned int seconds, char **ret_output, struct error *err)
{
	_cleanup_config_ struct config config = {0};
	const struct lifecycle_event event = {
		.hook = hook, .trigger = "halt", .address = "198.18.0.2", .seconds = seconds};
	_cleanup_free_ char *path = text_format("%s/output", directory);
	_cleanup_close_ int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	_cleanup_close_ int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	_cleanup_error_ struct error ignored = ERROR_INIT;
	int result;

	assert_int_equal(config_parse(directory, "Migrantfile", migrantfile, strlen(migrantfile),
				      &config, err),
			 0);
	assert_true(dup2(file, STDERR_FILENO) >= 0);
	result = lifecycle_run(&config, &event, err);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, ret_output, NULL, &ignored), 0);
	return result;
}

static void what_a_hook_is_told(void **state)
{
	_cleanup_free_ char *output = NULL, *where = text_format("pre-down | %s\n", directory);
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)state;
	setenv("OF_THE_USER", "kept", 1);
	write_file("hooks/pre-down",
		   "#!/bin/sh\necho \"$MIGRANT_NAME $MIGRANT_HOOK $MIGRANT_TRIGGER $MIGRANT_IP "
		   "$OF_THE_USER\"\necho \"$MIGRANT_DIR\"\npwd >&2\nread -r x || echo nothing\n"
		   "printf '\\033]0;x\\007'\n",
		   0755);
	assert_int_equal(run_hook("pre-down", 60, &output, &err), 0);
	assert_non_null(strstr(output, "pre-down | box pre-down halt 198.18.0.2 kept\n"));
	assert_non_null(strstr(output, where));
	assert_non_null(strstr(strstr(output, where) + 1, where));
	assert_non_null(strstr(output, "pre-down | nothing\n"));
	assert_non_null(strstr(output, "\\x1b]0;x\\x07\n"));
}

static void what_goes_wrong(void **state)
{
	_cleanup_free_ char *output = NULL, *none = NULL, *late = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(run_hook("post-down", 60, &none, &err), 0);
	assert_string_equal(none, "");
	write_file("hooks/pre-up", "#!/bin/sh\nexit 3\n", 0755);
	assert_int_equal(run_hook("pre-up", 60, &output, &err), -1);
	assert_int_equal(err.code, EX_SOFTWARE);
	assert_string_equal(err.message, "the hook pre-up ended with status 3");
	write_file("hooks/post-up", "#!/bin/sh\nsleep 600\n", 0755);
	assert_int_equal(run_hook("post-up", 1, &late, &err), -1);
	assert_int_equal(err.code, EX_TEMPFAIL);
	assert_string_equal(err.message, "the hook post-up: it took longer than 1 s");
}

static void what_is_no_program(void **state)
{
	static const char *const texts[][2] = {
		{"exit 0\n", "it is no program, and no script that begins with '#!'"},
		{"#!/bin/no-such-shell\n", "the interpreter in its first line is not there"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ char *output = NULL;

		write_file("hooks/pre-up", texts[i][0], 0755);
		assert_int_equal(run_hook("pre-up", 60, &output, &err), -1);
		assert_non_null(strstr(err.message, "the hook pre-up: cannot start /tmp/"));
		assert_non_null(strstr(err.message, texts[i][1]));
	}
}

/* Who has its output as well does not keep us waiting. */
static void what_it_leaves_running(void **state)
{
	_cleanup_free_ char *output = NULL, *later = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)state;
	write_file("hooks/post-up", "#!/bin/sh\nsleep 600 &\necho $! >left\n", 0755);
	assert_int_equal(run_hook("post-up", 0, &output, &err), 0);
	write_file("hooks/post-up", "#!/bin/sh\nkill $(cat left)\n", 0755);
	assert_int_equal(run_hook("post-up", 60, &later, &err), 0);
}

static void who_could_have_written_it(void **state)
{
	static const struct {
		const char *name;
		mode_t mode;
		mode_t directory;
		int code;
		const char *message;
	} cases[] = {
		{"pre-up", 0755, 0755, 0, NULL},
		{"pre-up", 0775, 0755, 0, NULL}, /* the user's own group */
		{"pre-up", 0757, 0755, EX_NOPERM, "/hooks/pre-up can be changed by every user"},
		{"pre-up", 01757, 0755, EX_NOPERM, "/hooks/pre-up can be changed by every user"},
		{"pre-up", 0755, 0757, EX_NOPERM, "/hooks can be changed by every user"},
		{"pre-up", 0644, 0755, EX_NOPERM, "/hooks/pre-up is no program"},
		{"link", 0755, 0755, EX_CONFIG,
		 "/shared/evil lies in a share, which the guest writes"},
		{"directory", 0755, 0755, EX_NOPERM, "/hooks is no program"},
	};
	_cleanup_free_ char *hooks = text_format("%s/hooks", directory);
	_cleanup_free_ char *link = text_format("%s/link", hooks);
	_cleanup_free_ char *loop = text_format("%s/directory", hooks);

	(void)state;
	write_file("shared/evil", "#!/bin/sh\n", 0755);
	assert_int_equal(symlink("../shared/evil", link), 0);
	assert_int_equal(symlink(".", loop), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *output = NULL;
		_cleanup_error_ struct error err = ERROR_INIT;

		write_file("hooks/pre-up", "#!/bin/sh\n", cases[i].mode);
		assert_int_equal(chmod(hooks, cases[i].directory), 0);
		assert_int_equal(run_hook(cases[i].name, 60, &output, &err),
				 cases[i].code ? -1 : 0);
		assert_int_equal(err.code, cases[i].code);
		if (cases[i].code)
			assert_true(text_ends(err.message, cases[i].message));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_a_hook_is_told, make_project, remove_project),
		cmocka_unit_test_setup_teardown(what_goes_wrong, make_project, remove_project),
		cmocka_unit_test_setup_teardown(what_is_no_program, make_project, remove_project),
		cmocka_unit_test_setup_teardown(what_it_leaves_running, make_project,
						remove_project),
		cmocka_unit_test_setup_teardown(who_could_have_written_it, make_project,
						remove_project),
	};

	return cmocka_run_group_tests_name("lifecycle", tests, NULL, NULL);
}
