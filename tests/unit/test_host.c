/* The pure half of looking at a host: mountinfo, libvirt's configuration, the report's lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "command/host.h"

static const char mountinfo[] = "23 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
				"24 23 0:22 / /proc rw,nosuid shared:12 master:3 - proc proc rw\n"
				"25 23 0:23 / /odd\\040shared:9 rw - tmpfs tmpfs rw\n"
				"26 23 0:24 / /slave rw master:4 - tmpfs shared:7 rw\n"
				"270 23 0:25 / /run rw shared:5 - tmpfs tmpfs rw";

static void shared_mounts(void **state)
{
	(void)state;
	assert_true(mountinfo_is_shared(mountinfo, 23));
	assert_true(mountinfo_is_shared(mountinfo, 24));
	assert_false(mountinfo_is_shared(mountinfo, 25));
	assert_false(mountinfo_is_shared(mountinfo, 26));
	assert_true(mountinfo_is_shared(mountinfo, 270));
	assert_false(mountinfo_is_shared(mountinfo, 27));
	assert_false(mountinfo_is_shared("", 1));
}

static void conf_values(void **state)
{
	static const char conf[] = "#auth_unix_rw = \"polkit\"\n"
				   " unix_sock_group=\"wheel\" # comment\n"
				   "unix_sock_group = \"second\"\n"
				   "max_clients = 20\n"
				   "auth_unix_rw_more = \"x\"\n"
				   "last='single'";
	_cleanup_free_ char *group = daemon_conf_value(conf, "unix_sock_group");
	_cleanup_free_ char *clients = daemon_conf_value(conf, "max_clients");
	_cleanup_free_ char *last = daemon_conf_value(conf, "last");

	(void)state;
	assert_string_equal(group, "wheel");
	assert_string_equal(clients, "20");
	assert_string_equal(last, "single");
	assert_null(daemon_conf_value(conf, "auth_unix_rw"));
	assert_null(daemon_conf_value("", "x"));
}

static void grants_and_restores(void **state)
{
	static const char *const confs[] = {
		"",
		"# nothing\n",
		"auth_unix_rw = \"polkit\"\nother = 1\n",
		"unix_sock_rw_perms = \"0777\"\n\nunix_sock_group = "
		"\"wheel\"\nauth_unix_rw=\"none\"\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(confs); i++) {
		_cleanup_free_ char *granted = daemon_conf_grant(confs[i]);
		_cleanup_free_ char *again = daemon_conf_grant(granted);
		_cleanup_free_ char *restored = daemon_conf_restore(granted);

		assert_false(daemon_conf_grants(confs[i]));
		assert_true(daemon_conf_grants(granted));
		assert_string_equal(granted, again);
		assert_string_equal(restored, confs[i]);
	}
}

static void a_socket_open_to_all_is_no_grant(void **state)
{
	(void)state;
	assert_false(daemon_conf_grants("auth_unix_rw = \"none\"\nunix_sock_group = \"libvirt\"\n"
					"unix_sock_rw_perms = \"0777\"\n"));
	assert_false(daemon_conf_grants("auth_unix_rw = \"none\"\n"));
	assert_true(daemon_conf_grants("auth_unix_rw = \"none\"\nunix_sock_group = \"libvirt\"\n"
				       "unix_sock_rw_perms = \"0770\"\n"));
}

static void report_lines(void **state)
{
	_cleanup_finding_ struct host_finding found = {0};
	_cleanup_strbuf_ struct strbuf report = STRBUF_INIT;

	(void)state;
	finding_set(&found, HOST_ERROR, "bad\n\033[31mthing");
	finding_hint(&found, "do %s", "this");
	host_report_text(&report, "hook", &found);
	assert_string_equal(report.text, "error    hook             bad\\x0a\\x1b[31mthing\n"
					 "                          hint: do this\n");
	finding_set(&found, HOST_OK, "fine");
	assert_null(found.hint);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shared_mounts),
		cmocka_unit_test(conf_values),
		cmocka_unit_test(grants_and_restores),
		cmocka_unit_test(a_socket_open_to_all_is_no_grant),
		cmocka_unit_test(report_lines),
	};

	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
