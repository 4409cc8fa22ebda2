/* That a program gets exactly the arguments, whatever they are: the string is given to real shells.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/process.h"
#include "base/text.h"
#include "provision/remote.h"

#define PRINT "/usr/bin/printf"

/* What the login shell @shell prints when it gets the command, as sshd gives it. */
static void run(const char *shell, const char *command, struct strbuf *output, int status)
{
	const char *const argv[] = {shell, "-c", command, NULL};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct process process = PROCESS_INIT;

	process.argv = argv;
	process.errors = PROCESS_NULL;
	if (status == 0) {
		assert_int_equal(process_capture(&process, 1 << 20, output, &err), 0);
		return;
	}
	assert_int_equal(process_start(&process, &err), 0);
	int got = 0;

	assert_int_equal(process_wait(&process, &got, &err), 0);
	assert_int_equal(got, status);
}

static const char *const shells[] = {"sh", "bash", "zsh"};

static void arguments_arrive_as_they_are(void **state)
{
	static const char *const arguments[] = {
		PRINT,	"%s\\n@", "",	    " ",     "two words", "'",	      "''",	  "a'b",
		"\"",	"$HOME",  "${IFS}", "`id`",  "$(id)",	  "\\",	      "\\\\",	  "\\'",
		"a\nb", "\n",	  "\t",	    "*",     "?",	  "[a]",      "~",	  "~root",
		"!!",	"#x",	  ";id",    "&& id", "| id",	  ">x",	      "<x",	  "-n",
		"--",	"--help", "a=b",    "{a,b}", "\033[31m",  "\xff\xfe", "\xc3\xa4", "%s",
		"(",	")",	  NULL,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		_cleanup_strbuf_ struct strbuf wanted = STRBUF_INIT, got = STRBUF_INIT;
		_cleanup_free_ char *command = remote_command(NULL, NULL, arguments);

		for (const char *const *argument = arguments + 2; *argument; argument++)
			strbuf_addf(&wanted, "%s\n@", *argument);
		run(shells[i], command, &got, 0);
		assert_string_equal(strbuf_text(&got), strbuf_text(&wanted));
	}
}

static void directory_and_environment(void **state)
{
	static const char *const environment[] = {"A=1 '2' $HOME\n", "_b=", "C=a=b", NULL};
	static const char *const argv[] = {"/bin/sh", "-c",
					   "pwd; printf '%s|%s|%s' \"$A\" \"$_b\" \"$C\"", NULL};
	_cleanup_free_ char *command = remote_command("/tmp", environment, argv);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		_cleanup_strbuf_ struct strbuf got = STRBUF_INIT;

		run(shells[i], command, &got, 0);
		assert_string_equal(strbuf_text(&got), "/tmp\n1 '2' $HOME\n||a=b");
	}
}

static void status_when_it_cannot_run(void **state)
{
	static const char *const none[] = {"no-such-program", NULL};
	static const char *const builtin[] = {"cd", "/", NULL};
	static const char *const fine[] = {"true", NULL};
	static const char *const not_a_program[] = {"/etc/passwd", NULL};
	_cleanup_free_ char *a = remote_command(NULL, NULL, none);
	_cleanup_free_ char *b = remote_command("/nonexistent", NULL, fine);
	_cleanup_free_ char *c = remote_command("-", NULL, fine);
	_cleanup_free_ char *d = remote_command(NULL, NULL, not_a_program);
	_cleanup_free_ char *e = remote_command(NULL, NULL, builtin);
	_cleanup_strbuf_ struct strbuf unused = STRBUF_INIT;

	(void)state;
	run("sh", a, &unused, 127);
	run("sh", b, &unused, 126);
	run("sh", c, &unused, 126);
	run("sh", d, &unused, 126);
	run("sh", e, &unused, 127);
}

/* The shell that sshd started ends by itself: SSH has no number for a signal. */
static void status_when_a_signal_ends_it(void **state)
{
	static const char *const argv[] = {"/bin/sh", "-c", "kill -9 $$", NULL};
	_cleanup_free_ char *command = remote_command(NULL, NULL, argv);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		pid_t pid = fork();
		int status = 0;

		if (pid == 0) {
			execlp(shells[i], shells[i], "-c", command, NULL);
			_exit(1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 128 + SIGKILL);
	}
}

static void paths_begin_at_home(void **state)
{
	(void)state;
	assert_string_equal(remote_path(""), ".");
	assert_string_equal(remote_path("~"), ".");
	assert_string_equal(remote_path("~/"), ".");
	assert_string_equal(remote_path("~//work"), "work");
	assert_string_equal(remote_path("~other/x"), "~other/x");
	assert_string_equal(remote_path("/~"), "/~");
}

static void names_of_variables(void **state)
{
	(void)state;
	assert_int_equal(remote_variable_length("A=1"), 1);
	assert_int_equal(remote_variable_length("_a9"), 3);
	assert_int_equal(remote_variable_length("9a=1"), 0);
	assert_int_equal(remote_variable_length("=1"), 0);
	assert_int_equal(remote_variable_length("a-b=1"), 1);
	assert_int_equal(remote_variable_length("\xc3\xa4=1"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_arrive_as_they_are),
		cmocka_unit_test(directory_and_environment),
		cmocka_unit_test(status_when_it_cannot_run),
		cmocka_unit_test(status_when_a_signal_ends_it),
		cmocka_unit_test(paths_begin_at_home),
		cmocka_unit_test(names_of_variables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
