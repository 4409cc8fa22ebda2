/* The base room: parsers, text, files, children. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mount.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "base/text.h"

static void numbers_are_strict(void **state)
{
	static const char *const bad[] = {
		"", " 1", "1 ", "+1", "-1", "01", "0x1", "1e3", "18446744073709551616"};
	uint64_t number = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_number(bad[i], 0, UINT64_MAX, &number), -1);
	assert_int_equal(number, 7);
	assert_int_equal(parse_number("0", 0, 5, &number), 0);
	assert_int_equal(number, 0);
	assert_int_equal(parse_number("6", 0, 5, &number), -1);
	assert_int_equal(parse_number("18446744073709551615", 0, UINT64_MAX, &number), 0);
	assert_true(number == UINT64_MAX);
}

static void sizes_and_durations(void **state)
{
	uint64_t value = 0;

	(void)state;
	assert_int_equal(parse_size("2G", &value), 0);
	assert_true(value == UINT64_C(2) << 30);
	assert_int_equal(parse_size("512MiB", &value), 0);
	assert_true(value == UINT64_C(512) << 20);
	assert_int_equal(parse_size("17000000T", &value), -1);
	assert_int_equal(parse_size("1.5G", &value), -1);
	assert_int_equal(parse_size("1g", &value), -1);
	assert_int_equal(parse_size("G", &value), -1);
	assert_int_equal(parse_duration("1h30m", &value), 0);
	assert_true(value == 5400);
	assert_int_equal(parse_duration("30m1h", &value), -1);
	assert_int_equal(parse_duration("8", &value), -1);
	assert_int_equal(parse_duration("", &value), -1);
}

static void addresses(void **state)
{
	struct address address;
	struct prefix prefix, other;
	struct mac mac;
	char text[PREFIX_TEXT_MAX];

	(void)state;
	assert_int_equal(parse_address("192.168.1.50", &address), 0);
	assert_string_equal(address_format(&address, text), "192.168.1.50");
	assert_int_equal(parse_address("192.168.1", &address), -1);
	assert_int_equal(parse_address("192.168.01.1", &address), -1);
	assert_int_equal(parse_address("fe80::1%eth0", &address), -1);
	assert_int_equal(parse_prefix("10.0.0.0/8", &prefix), 0);
	assert_int_equal(parse_address("10.255.0.1", &address), 0);
	assert_true(prefix_contains(&prefix, &address));
	assert_int_equal(parse_address("11.0.0.1", &address), 0);
	assert_false(prefix_contains(&prefix, &address));
	assert_int_equal(parse_address("::ffff:10.0.0.1", &address), 0);
	assert_false(prefix_contains(&prefix, &address));
	assert_int_equal(parse_prefix("10.3.0.0/33", &other), -1);
	assert_int_equal(parse_prefix("10.3.0.0/", &other), -1);
	assert_int_equal(parse_prefix("10.3.0.0/22", &other), 0);
	assert_true(prefix_overlaps(&prefix, &other));
	assert_string_equal(prefix_format(&other, text), "10.3.0.0/22");
	assert_int_equal(parse_prefix("fd00::/127", &prefix), 0);
	assert_int_equal(parse_address("fd00::1", &address), 0);
	assert_true(prefix_contains(&prefix, &address));
	assert_int_equal(parse_address("fd00::2", &address), 0);
	assert_false(prefix_contains(&prefix, &address));
	assert_int_equal(parse_mac("52:54:00:0a:Bc:fF", &mac), 0);
	assert_string_equal(mac_format(&mac, text), "52:54:00:0a:bc:ff");
	assert_int_equal(parse_mac("52:54:00:0a:bc", &mac), -1);
	assert_int_equal(parse_mac("52-54-00-0a-bc-ff", &mac), -1);
}

static void names(void **state)
{
	static const char *const bad[] = {
		"",	"-a",  "a-",  "A",   "a_b",	 "a.b",
		"../x", "a/b", "a\n", "a b", "\xc3\xa9", "a23456789012345678901234567890ab"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(name_is_valid(bad[i]));
	assert_true(name_is_valid("a"));
	assert_true(name_is_valid("claude-2"));
	assert_true(name_is_valid("a2345678901234567890123456789-b"));
	assert_true(uuid_is_valid("123e4567-e89b-42d3-a456-426614174000"));
	assert_false(uuid_is_valid("123E4567-e89b-42d3-a456-426614174000"));
	assert_false(uuid_is_valid("123e4567-e89b-42d3-a456-42661417400"));
}

static void escaping(void **state)
{
	static const struct {
		const char *raw, *safe;
	} cases[] = {
		{"plain \xc3\xa9", "plain \xc3\xa9"},
		{"\033]52;c;eA==\a", "\\x1b]52;c;eA==\\x07"},
		{"a\\b", "a\\\\b"},
		{"a\rb\nc", "a\\x0db\\x0ac"},
		{"\xc2\x9b"
		 "31m",
		 "\\xc2\\x9b31m"},
		{"\xe2\x80\xae", "\\xe2\\x80\\xae"},
		{"\xff\xc0\xaf", "\\xff\\xc0\\xaf"},
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *safe = text_escape(cases[i].raw, strlen(cases[i].raw), false);

		assert_string_equal(safe, cases[i].safe);
	}
	assert_int_equal(text_distance("memroy", "memory"), 2);
	assert_int_equal(text_distance("", "abc"), 3);
}

static void files(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = NULL;
	char directory[] = "/tmp/migrant-test-XXXXXX";
	_cleanup_close_ int dir = -1;
	size_t length;

	(void)state;
	assert_non_null(mkdtemp(directory));
	dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(file_replace(dir, "a", "one", 3, 0640, &err), 0);
	assert_int_equal(file_replace(dir, "a", "two!", 4, 0640, &err), 0);
	assert_int_equal(file_read(dir, "a", 4, &text, &length, &err), 0);
	assert_string_equal(text, "two!");
	assert_int_equal(length, 4);
	assert_int_equal(file_read(dir, "a", 3, &text, NULL, &err), -1);
	assert_int_equal(err.code, EX_DATAERR);
	assert_int_equal(file_read(dir, "b", 3, &text, NULL, &err), -1);
	assert_int_equal(err.code, EX_NOINPUT);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(file_read(dir, "fifo", 3, &text, NULL, &err), -1);
	assert_int_equal(err.code, EX_DATAERR);
	assert_int_equal(symlinkat("/etc", dir, "link"), 0);
	assert_int_equal(file_open_beneath(dir, "link/passwd", O_RDONLY, 0), -1);
	assert_int_equal(file_open_beneath(dir, "../passwd", O_RDONLY, 0), -1);
	assert_int_equal(file_remove_tree(AT_FDCWD, directory, &err), 0);
	assert_int_equal(access(directory, F_OK), -1);
	assert_int_equal(access("/etc/passwd", F_OK), 0);
}

static void children(void **state)
{
	static const char *const echo[] = {"echo", "a;b", "$HOME", NULL};
	static const char *const kill_self[] = {"sh", "-c", "kill -9 $$", NULL};
	static const char *const fail[] = {"sh", "-c", "echo first >&2; echo last >&2; exit 3",
					   NULL};
	static const char *const slow[] = {"sleep", "60", NULL};
	static const char *const absent[] = {"no-such-program-here", NULL};
	static const char *const env[] = {"env", NULL};
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	struct process process = PROCESS_INIT;
	int status = -1;

	(void)state;
	process.argv = echo;
	assert_int_equal(process_capture(&process, 100, &out, &err), 0);
	assert_string_equal(strbuf_text(&out), "a;b $HOME\n");

	process = (struct process)PROCESS_INIT;
	process.argv = kill_self;
	assert_int_equal(process_start(&process, &err), 0);
	assert_int_equal(process_wait(&process, &status, &err), 0);
	assert_int_equal(status, 128 + SIGKILL);

	process = (struct process)PROCESS_INIT;
	process.argv = fail;
	assert_int_equal(process_run(&process, &err), -1);
	assert_string_equal(err.message, "sh failed: last");

	process = (struct process)PROCESS_INIT;
	process.argv = slow;
	process.timeout = 1;
	assert_int_equal(process_run(&process, &err), -1);
	assert_int_equal(err.code, EX_TEMPFAIL);

	process = (struct process)PROCESS_INIT;
	process.argv = absent;
	assert_int_equal(process_run(&process, &err), -1);
	assert_int_equal(err.code, EX_UNAVAILABLE);

	setenv("MIGRANT_LEAK", "yes", 1);
	strbuf_truncate(&out, 0);
	process = (struct process)PROCESS_INIT;
	process.argv = env;
	assert_int_equal(process_capture(&process, 65536, &out, &err), 0);
	assert_null(strstr(strbuf_text(&out), "MIGRANT_LEAK"));
}

static void mountinfo_is_taken_apart(void **state)
{
	static const char text[] =
		"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
		"30 22 7:3 /a\\040b /home/x\\012y\\134040 rw,nosuid - ext4 /dev/loop3 rw\n"
		"31 22 0:5 / /net rw master:2 propagate_from:1 shared:7 - tmpfs\x20\x20rw\n";
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_mounts_ struct mount_list list = {0};

	(void)state;
	assert_int_equal(mount_list_parse(text, &list, &err), 0);
	assert_int_equal(list.count, 3);
	assert_true(list.items[0].shared && !list.items[1].shared && list.items[2].shared);
	assert_string_equal(list.items[1].root, "/a b");
	assert_string_equal(list.items[1].point, "/home/x\ny\\040");
	assert_string_equal(list.items[1].options, "rw,nosuid");
	assert_int_equal(list.items[1].major, 7);
	assert_int_equal(list.items[1].minor, 3);
	assert_string_equal(list.items[2].source, "");
	assert_ptr_equal(mount_list_find(&list, 31), &list.items[2]);
	assert_null(mount_list_find(&list, 22 + 100));
}

static void what_is_no_mountinfo_is_refused(void **state)
{
	static const char *const texts[] = {"x",
					    "22 1 254:0 / / rw",
					    "22 1 254:0 / / rw shared:1 ext4 /dev/vda rw",
					    "22 1 2540 / / rw - ext4 /dev/vda rw",
					    "-1 1 254:0 / / rw - ext4 /dev/vda rw",
					    "\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_mounts_ struct mount_list list = {0};

		assert_int_equal(mount_list_parse(texts[i], &list, &err), -1);
		assert_int_equal(err.code, EX_DATAERR);
	}
}

static int refuse_to_start(void)
{
	return -1;
}

static void child_is_confined_first(void **state)
{
	static const char *const argv[] = {"true", NULL};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct process process = PROCESS_INIT;
	int status;

	(void)state;
	process.argv = argv;
	process.confine = refuse_to_start;
	assert_int_equal(process_start(&process, &err), 0);
	assert_int_equal(process_wait(&process, &status, &err), 0);
	assert_int_equal(status, 127);
}

/* Not a status that a program could have ended with. */
static void what_cannot_be_started_is_an_error(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *long_text = xcalloc(1, 1 << 18); /* more than one argument may be */
	const char *const argv[] = {"true", memset(long_text, 'x', (1 << 18) - 1), NULL};
	struct process process = PROCESS_INIT;

	(void)state;
	process.argv = argv;
	assert_int_equal(process_start(&process, &err), -1);
	assert_int_equal(err.code, EX_OSERR);
	assert_string_equal(err.message, "cannot start true: Argument list too long");
	assert_int_equal(process.pidfd, -1);
}

/* What a download shows on a terminal that is called @name. The caller frees. */
static char *shown_on(const char *name, unsigned short columns)
{
	const struct winsize size = {.ws_row = 24, .ws_col = columns};
	_cleanup_close_ int leader = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	_cleanup_close_ int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	_cleanup_close_ int follower = -1;
	struct strbuf text = STRBUF_INIT;
	struct progress progress;

	assert_int_equal(unlockpt(leader), 0);
	follower = ioctl(leader, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_int_equal(ioctl(leader, TIOCSWINSZ, &size), 0);
	setenv("TERM", name, 1);
	assert_true(dup2(follower, STDERR_FILENO) >= 0);
	progress_begin(&progress, "a f\xc3\xbcle", 100);
	progress_update(&progress, 50);
	progress_end(&progress);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	while (!text_ends(strbuf_text(&text), "    a f\xc3\xbcle\r\n")) {
		char piece[4096];
		ssize_t length = read(leader, piece, sizeof(piece));

		assert_true(length > 0);
		strbuf_add(&text, piece, (size_t)length);
	}
	return strbuf_take(&text);
}

static void progress_on_a_terminal(void **state)
{
	_cleanup_free_ char *able = shown_on("xterm", 80);
	_cleanup_free_ char *narrow = shown_on("xterm", 9);
	_cleanup_free_ char *dumb = shown_on("dumb", 80);

	(void)state;
	assert_non_null(strstr(able, "a f\xc3\xbcle  50 %"));
	assert_non_null(strstr(able, "\r\033[K"));
	assert_string_equal(dumb, "    a f\xc3\xbcle\r\n");
	/* no line wraps, no character is cut */
	assert_string_equal(narrow, "    a f\r\033[K    a f\xc3\xbcle\r\n");
}

static void json_that_drives_no_terminal(void **state)
{
	static const struct {
		const char *json, *wanted;
	} cases[] = {
		{"{\n  \"a\": \"b\\u001b\"\n}", "{\n  \"a\": \"b\\u001b\"\n}"},
		{"[\"\xc3\xa4 \xe4\xb8\xad\"]", "[\"\xc3\xa4 \xe4\xb8\xad\"]"},
		{"[\"\xc2\x9b\x1b\x7f\"]", "[\"\\u009b\\u001b\\u007f\"]"},
		{"[\"\xe2\x80\xae\xff\"]", "[\"\\u202e\\ufffd\"]"},
		{"[\"\xf3\xa0\x80\x81\"]", "[\"\\udb40\\udc01\"]"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *got = text_escape_json(cases[i].json);

		assert_string_equal(got, cases[i].wanted);
	}
}

static void hexadecimal_and_back(void **state)
{
	_cleanup_free_ char *digits = text_hex("\x00\xff"
					       "a",
					       3);
	_cleanup_free_ char *bytes = NULL;
	size_t length = 0;

	(void)state;
	assert_string_equal(digits, "00ff61");
	bytes = text_unhex(digits, &length);
	assert_int_equal(length, 3);
	assert_memory_equal(bytes,
			    "\x00\xff"
			    "a",
			    3);
	assert_null(text_unhex("0", &length));
	assert_null(text_unhex("0g", &length));
	assert_null(text_unhex("0A", &length));
}

static void test_progress(void **state)
{
	static const struct {
		struct progress progress;
		int64_t elapsed_ms;
		const char *expected;
	} cases[] = {
		{{.what = "x", .total = 100 << 20}, 0, "x  0 %, 0.0 of 100 MiB"},
		{{.what = "x", .total = 100 << 20, .done = 42 << 20},
		 999,
		 "x  42 %, 42 of 100 MiB"},
		{{.what = "x", .total = 100 << 20, .done = 42 << 20},
		 10000,
		 "x  42 %, 42 of 100 MiB, 4.2 MiB/s, 14 s left"},
		/* what an earlier run has fetched says nothing about the rate */
		{{.what = "x", .total = 100 << 20, .done = 42 << 20, .first = 41 << 20},
		 10000,
		 "x  42 %, 42 of 100 MiB, 0.1 MiB/s, 9:41 min left"},
		{{.what = "x", .total = 100 << 20, .done = 100 << 20},
		 10000,
		 "x  100 %, 100 of 100 MiB, 10 MiB/s"},
		{{.what = "x", .done = 3 << 20}, 2000, "x  3.0 MiB, 1.5 MiB/s"},
		{{.what = "x", .total = 100, .done = 200},
		 2000,
		 "x  100 %, 0.0 of 0.0 MiB, 0.0 MiB/s"},
		{{.what = "x", .total = 100 << 20, .done = 5, .first = 5},
		 60000,
		 "x  0 %, 0.0 of 100 MiB"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

		progress_describe(&cases[i].progress, cases[i].elapsed_ms, &text);
		assert_string_equal(strbuf_text(&text), cases[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_that_drives_no_terminal),
		cmocka_unit_test(hexadecimal_and_back),
		cmocka_unit_test(mountinfo_is_taken_apart),
		cmocka_unit_test(what_is_no_mountinfo_is_refused),
		cmocka_unit_test(progress_on_a_terminal),
		cmocka_unit_test(child_is_confined_first),
		cmocka_unit_test(what_cannot_be_started_is_an_error),
		cmocka_unit_test(numbers_are_strict),
		cmocka_unit_test(sizes_and_durations),
		cmocka_unit_test(addresses),
		cmocka_unit_test(names),
		cmocka_unit_test(escaping),
		cmocka_unit_test(files),
		cmocka_unit_test(test_progress),
		cmocka_unit_test(children),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
