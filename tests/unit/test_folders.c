/* Shares as the commands see them: what lies in their place, and what is said of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "command/shares.h"

static enum share_place look(const char *project, const char *host)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	enum share_place place;
	uint64_t used = 1;

	if (share_look(project, host, &place, &used, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(used, 0);
	return place;
}

static void what_lies_there_is_seen_through_no_link(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	char project[] = "/tmp/migrant-test-XXXXXX";
	enum share_place place;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(project));
	fd = open(project, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(look(project, "a/b"), SHARE_PLACE_ABSENT);
	assert_int_equal(mkdirat(fd, "a", 0755), 0);
	assert_int_equal(look(project, "a"), SHARE_PLACE_EMPTY);
	assert_int_equal(mkdirat(fd, "a/b", 0755), 0);
	assert_int_equal(look(project, "a"), SHARE_PLACE_FILES);
	assert_int_equal(symlinkat("a", fd, "link"), 0);
	assert_int_equal(share_look(project, "link", &place, NULL, &err), -1);
	assert_int_equal(share_look(project, "link/b", &place, NULL, &err), -1);
	assert_int_equal(look("/", "proc"), SHARE_PLACE_MOUNTED);
	close(fd);
	assert_int_equal(file_remove_tree(AT_FDCWD, project, &err), 0);
}

static void a_migrantfile_becomes_metadata(void **state)
{
	static const char text[] = "shares:\n"
				   "  - {host: a, guest: /x, size: 64M, mode: ro, reserve: true}\n"
				   "  - {host: b, guest: /y, isolate: false}\n";
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_config_ struct config config = {0};
	_cleanup_metadata_ struct metadata metadata = {0};

	(void)state;
	if (config_parse("/p", "Migrantfile", text, strlen(text), &config, &err) < 0)
		fail_msg("%s", err.message);
	assert_false(shares_are_current(&config, &metadata));
	shares_from_config(&config, &metadata);
	shares_from_config(&config, &metadata); /* replaces what is there */
	assert_int_equal(metadata.share_count, 2);
	assert_string_equal(metadata.shares[1].tag, "share1");
	assert_int_equal(share_validate(metadata.shares, 2, &err), 0);
	assert_true(shares_are_current(&config, &metadata));
	metadata.shares[0].size++;
	assert_false(shares_are_current(&config, &metadata));
}

static void lines_say_what_matters(void **state)
{
	char a[] = "a", b[] = "b", x[] = "/x", y[] = "/y";
	const struct share shares[] = {
		{.host = a, .guest = x, .size = 64 << 20, .isolate = true, .read_only = true},
		{.host = b, .guest = y, .size = 64 << 20},
	};
	json_object *array = shares_json("/nowhere", shares, 2);
	_cleanup_free_ char *first = share_line(json_object_array_get_idx(array, 0));
	_cleanup_free_ char *second = share_line(json_object_array_get_idx(array, 1));

	(void)state;
	assert_string_equal(first, "a -> /x, ro, 64 MiB");
	assert_string_equal(second, "b -> /y, rw, a plain directory (isolate: false)");
	json_object_put(array);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_lies_there_is_seen_through_no_link),
		cmocka_unit_test(a_migrantfile_becomes_metadata),
		cmocka_unit_test(lines_say_what_matters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
