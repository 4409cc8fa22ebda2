/* The managed SSH key: made once, private, and refused when it is not what it must be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/text.h"
#include "provision/keys.h"

#define BLOB "AAAAC3NzaC1lZDI1NTE5AAAAIAbcdefghijklmnopqrstuvwxyz0123456789+/ABCDEF"

static void public_lines(void **state)
{
	(void)state;
	assert_true(key_public_is_valid("ssh-ed25519 " BLOB));
	assert_true(key_public_is_valid("ssh-ed25519 " BLOB " a comment"));
	assert_true(key_public_is_valid("ecdsa-sha2-nistp256 " BLOB));
	assert_false(key_public_is_valid(""));
	assert_false(key_public_is_valid("ssh-ed25519"));
	assert_false(key_public_is_valid("ssh-ed25519 "));
	assert_false(key_public_is_valid("ssh-ed25519 short"));
	assert_false(key_public_is_valid(" ssh-ed25519 " BLOB));
	assert_false(key_public_is_valid("ssh-ed25519 " BLOB "\nssh-ed25519 " BLOB));
	assert_false(key_public_is_valid("ssh-ed25519 " BLOB " \033]52;"));
	assert_false(key_public_is_valid("command=\"id\" ssh-ed25519 " BLOB));
}

static int make_directory(void **state)
{
	char *directory = text_dup("/tmp/migrant-keys-XXXXXX");
	_cleanup_free_ char *path = NULL;

	if (!mkdtemp(directory))
		return -1;
	path = text_format("%s/deep/er/key", directory);
	setenv("MIGRANT_KEY", path, 1);
	*state = directory;
	return 0;
}

static int remove_directory(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *directory = *state;

	return file_remove_tree(AT_FDCWD, directory, &err);
}

static int ensure(char **ret_path, char **ret_public, struct error *err)
{
	free(*ret_path);
	free(*ret_public);
	*ret_path = *ret_public = NULL;
	return key_ensure(ret_path, ret_public, err);
}

/* Named before anything is made; ssh would say "percent_dollar_expand: failed" at each connection.
 */
static void refuses_a_path_that_ssh_reads_otherwise(void **state)
{
	static const char *const names[] = {"100%/key", "${HOME}/key", "a\"b", "a\\b", "a\nb"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = text_format("%s/%s", (char *)*state, names[i]);
		_cleanup_free_ char *private_path = NULL, *public_text = NULL;
		_cleanup_error_ struct error err = ERROR_INIT;
		struct stat status;

		setenv("MIGRANT_KEY", path, 1);
		assert_int_equal(ensure(&private_path, &public_text, &err), -1);
		assert_int_equal(err.code, EX_USAGE);
		assert_non_null(strstr(err.message, names[i]));
		assert_int_equal(stat(path, &status), -1);
	}
}

static void made_once(void **state)
{
	_cleanup_free_ char *first_path = NULL, *first = NULL, *second_path = NULL, *second = NULL;
	_cleanup_free_ char *parent = text_format("%s/deep/er", (char *)*state);
	_cleanup_error_ struct error err = ERROR_INIT;
	struct stat status;

	assert_int_equal(ensure(&first_path, &first, &err), 0);
	assert_int_equal(stat(first_path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(stat(parent, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
	assert_true(text_ends(first, " migrant"));
	assert_int_equal(ensure(&second_path, &second, &err), 0);
	assert_string_equal(first, second);
	assert_string_equal(first_path, second_path);
}

/* Eight processes at once: one key, and nothing beside it. */
static void made_by_one_of_many(void **state)
{
	_cleanup_free_ char *parent = text_format("%s/deep/er", (char *)*state);
	_cleanup_free_ char *path = NULL, *first = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_closedir_ DIR *dir = NULL;
	pid_t children[8];
	size_t entries = 0;

	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(ensure(&path, &first, &err) < 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		int status = -1;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	dir = opendir(parent);
	assert_non_null(dir);
	while (readdir(dir))
		entries++;
	assert_int_equal(entries, 3); /* ., .., key */
}

static void leftovers_do_not_matter(void **state)
{
	_cleanup_free_ char *stale = text_format("%s/deep/er/key.new", (char *)*state);
	_cleanup_free_ char *file = text_format("%s/key", stale);
	_cleanup_free_ char *path = NULL, *public_text = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(file_make_dirs(stale, 0700, &err), 0);
	assert_int_equal(file_replace(AT_FDCWD, file, "half", 4, 0600, &err), 0);
	assert_int_equal(ensure(&path, &public_text, &err), 0);
	assert_int_equal(access(stale, F_OK), -1);
}

static void refuses_what_others_read(void **state)
{
	_cleanup_free_ char *path = NULL, *public_text = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(ensure(&path, &public_text, &err), 0);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(ensure(&path, &public_text, &err), -1);
	assert_int_equal(err.code, EX_NOPERM);
	assert_non_null(strstr(err.message, "can be read by others"));
	assert_null(path);
	assert_null(public_text);
}

static void refuses_what_is_no_key(void **state)
{
	_cleanup_free_ char *file = text_format("%s/deep/er/key", (char *)*state);
	_cleanup_free_ char *parent = text_format("%s/deep/er", (char *)*state);
	_cleanup_free_ char *path = NULL, *public_text = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(file_make_dirs(parent, 0700, &err), 0);
	assert_int_equal(file_replace(AT_FDCWD, file, "not a key\n", 10, 0600, &err), 0);
	assert_int_equal(ensure(&path, &public_text, &err), -1);
	assert_int_equal(err.code, EX_DATAERR);
	assert_non_null(strstr(err.message, file));
	assert_non_null(err.hint);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(public_lines),
		cmocka_unit_test_setup_teardown(refuses_a_path_that_ssh_reads_otherwise,
						make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(made_once, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(made_by_one_of_many, make_directory,
						remove_directory),
		cmocka_unit_test_setup_teardown(leftovers_do_not_matter, make_directory,
						remove_directory),
		cmocka_unit_test_setup_teardown(refuses_what_others_read, make_directory,
						remove_directory),
		cmocka_unit_test_setup_teardown(refuses_what_is_no_key, make_directory,
						remove_directory),
	};

	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
