/*
 * Ansible as it is run for a guest. The tasks here are of the kind that Ansible does on this side,
 * which shows the same configuration without a guest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "provision/ansible.h"

static const struct guest_access guest = {
	.name = "claude",
	.address = "127.0.0.1",
	.user = "migrant",
	.key = "/home/user/.ssh/it's mine",
	.host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbcdefghijklmnopqrstuvwxyz0123456789",
};

static void inventory(void **state)
{
	_cleanup_free_ char *text = ansible_inventory(&guest, 1);

	(void)state;
	assert_string_equal(text, "{\n"
				  "  \"all\":{\n"
				  "    \"hosts\":{\n"
				  "      \"claude\":{\n"
				  "        \"ansible_host\":\"127.0.0.1\",\n"
				  "        \"ansible_user\":\"migrant\",\n"
				  "        \"ansible_ssh_private_key_file\":\"/home/user/.ssh/it's "
				  "mine\"\n"
				  "      }\n"
				  "    }\n"
				  "  }\n"
				  "}\n");
}

static void several_hosts(void **state)
{
	struct guest_access hosts[] = {guest, guest};
	static const char *const arguments[] = {"one", "two"};
	_cleanup_free_ char *list = NULL, *connection = NULL;

	(void)state;
	hosts[1].name = "try-1";
	hosts[1].address = "127.0.0.9";
	list = ansible_inventory(hosts, 2);
	connection = ansible_connection(hosts, 2, arguments);
	assert_non_null(strstr(list, "\"try-1\":{\n        \"ansible_host\":\"127.0.0.9\""));
	assert_non_null(strstr(connection, "\"try-1\":{\n      \"address\":\"127.0.0.9\""));
	assert_non_null(strstr(connection, "\"arguments\":\"two\""));
}

static void quoting(void **state)
{
	static const char *const arguments[] = {"-i", "it's mine", "", "a\"b\\c $d", NULL};
	_cleanup_free_ char *text = ansible_quote(arguments);

	(void)state;
	assert_string_equal(text, "'-i' 'it'\\''s mine' '' 'a\"b\\c $d'");
}

static void feed(struct ansible_log *log, const char *const *lines)
{
	for (; *lines; lines++)
		ansible_log_line(log, *lines);
}

static void the_failing_task(void **state)
{
	static const char *const ignored[] = {"TASK [one] ****", "fatal: [x]: FAILED! => {}",
					      "...ignoring", NULL};
	static const char *const failing[] = {"TASK [install [this]] *******", "changed: [x]",
					      "failed: [x] (item=1)", "PLAY RECAP ***", NULL};
	static const char *const broken[] = {"ERROR! syntax", "TASK [", "TASK []", "fatal: [",
					     NULL};
	_cleanup_ansible_log_ struct ansible_log log = {0};

	(void)state;
	feed(&log, ignored);
	assert_null(log.failed);
	feed(&log, failing);
	assert_string_equal(log.failed, "install [this]");
	feed(&log, broken);
	assert_string_equal(log.error, "syntax");
	assert_string_equal(log.failed, "");
}

/* A directory with a home that has everything a hostile or careless host configuration can have. */
static int make_host(void **state)
{
	static const struct {
		const char *path, *text;
	} files[] = {
		{"home/.ansible.cfg", "[defaults]\nforks = 77\n"},
		{"home/.ansible/plugins/filter/evil.py",
		 "class FilterModule:\n    def filters(self): return {'evil': str}\n"},
		{"cwd/ansible.cfg", "[defaults]\nforks = 78\n"},
		{"cwd/filter_plugins/near.py",
		 "class FilterModule:\n    def filters(self): return {'near': str}\n"},
	};
	char *directory = text_dup("/tmp/migrant-ansible-XXXXXX");
	_cleanup_free_ char *home = NULL, *cwd = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;

	if (!mkdtemp(directory))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = text_format("%s/%s", directory, files[i].path);
		_cleanup_free_ char *parent = text_dup_n(path, (size_t)(strrchr(path, '/') - path));

		if (file_make_dirs(parent, 0700, &err) < 0 ||
		    file_replace(AT_FDCWD, path, files[i].text, strlen(files[i].text), 0600, &err) <
			    0)
			return -1;
	}
	home = text_format("%s/home", directory);
	cwd = text_format("%s/cwd", directory);
	setenv("HOME", home, 1);
	setenv("ANSIBLE_FORKS", "79", 1);
	setenv("ANSIBLE_FILTER_PLUGINS", cwd, 1);
	setenv("SSH_AUTH_SOCK", "/run/agent", 1);
	*state = directory;
	return chdir(cwd);
}

static int remove_host(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *directory = *state;

	return chdir("/") < 0 || file_remove_tree(AT_FDCWD, directory, &err) < 0 ? -1 : 0;
}

static struct ansible_request request = {.title = "play", .hosts = &guest, .host_count = 1};

/* Runs the tasks with everything that ansible_run() sets; stderr goes to *ret_output. */
static int play(const char *directory, const char *tasks, char **ret_output, struct error *err)
{
	_cleanup_free_ char *playbook = text_format("%s/playbook.yml", directory);
	_cleanup_free_ char *output = text_format("%s/output", directory);
	_cleanup_free_ char *text =
		text_format("- hosts: all\n  gather_facts: false\n  tasks:\n%s", tasks);
	_cleanup_close_ int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	_cleanup_close_ int file = open(output, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	_cleanup_error_ struct error ignored = ERROR_INIT;
	int result;

	assert_int_equal(file_replace(AT_FDCWD, playbook, text, strlen(text), 0600, &ignored), 0);
	assert_true(dup2(file, STDERR_FILENO) >= 0);
	request.playbook = playbook;
	result = ansible_run(&request, err);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	assert_int_equal(file_read(AT_FDCWD, output, 1 << 20, ret_output, NULL, &ignored), 0);
	return result;
}

static void host_configuration_stays_out(void **state)
{
	static const char tasks[] =
		"    - ansible.builtin.assert:\n"
		"        that:\n"
		"          - lookup('config', 'DEFAULT_FORKS') == 5\n"
		"          - lookup('config', 'HOST_KEY_CHECKING')\n"
		"          - lookup('config', 'DEFAULT_LOCAL_TMP') is match('.*/.cache/migrant/')\n"
		"          - lookup('env', 'SSH_AUTH_SOCK') == ''\n"
		"          - lookup('env', 'PWD') is not match('.*/cwd')\n"
		"          - inventory_hostname == 'claude'\n";
	_cleanup_free_ char *leftover =
		text_format("%s/home/.cache/migrant/provision-claude", (char *)*state);
	_cleanup_free_ char *output = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;

	if (play(*state, tasks, &output, &err) < 0)
		fail_msg("%s\n%s", err.message, output);
	assert_non_null(strstr(output, "failed=0"));
	assert_int_equal(access(leftover, F_OK), -1);
}

static void plugins_of_the_host_stay_out(void **state)
{
	static const char *const filters[] = {"evil", "near"};

	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		_cleanup_free_ char *tasks =
			text_format("    - name: use %s\n      ansible.builtin.debug:\n        "
				    "msg: \"{{ 1 | %s }}\"\n",
				    filters[i], filters[i]);
		_cleanup_free_ char *output = NULL, *task = text_format("'use %s'", filters[i]);
		_cleanup_error_ struct error err = ERROR_INIT;

		assert_int_equal(play(*state, tasks, &output, &err), -1);
		assert_int_equal(err.code, EX_SOFTWARE);
		assert_non_null(strstr(err.message, task));
		assert_non_null(err.hint);
	}
}

static void output_is_escaped(void **state)
{
	static const char tasks[] = "    - ansible.builtin.fail:\n"
				    "        msg: \"a\\e]0;owned\\ab\"\n"
				    "      name: \"bad \\e[31m name\"\n";
	_cleanup_free_ char *output = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(play(*state, tasks, &output, &err), -1);
	assert_null(strchr(output, '\033'));
	assert_null(strchr(output, '\007'));
	assert_non_null(strstr(output, "bad \\x1b[31m name"));
	assert_non_null(strstr(err.message, "bad \033[31m name")); /* escaped when it is printed */
}

/* Nothing listens there, or nobody with that host key: it does not come as far as a module. */
static void an_unreachable_guest(void **state)
{
	static const char tasks[] = "    - name: enter\n"
				    "      ansible.builtin.command: {argv: [\"true\"]}\n";
	_cleanup_free_ char *output = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(play(*state, tasks, &output, &err), -1);
	assert_int_equal(err.code, EX_SOFTWARE);
	assert_non_null(strstr(err.message, "'enter'"));
	assert_non_null(strstr(output, "UNREACHABLE"));
}

/*
 * The ways to another connection, which an answer of the guest's can look like as well: none of
 * them has a task run on this machine.
 */
static void no_task_runs_here(void **state)
{
	static const char *const ways[] = {
		"      connection: local\n",
		"      vars: {ansible_connection: local}\n",
		"      delegate_to: localhost\n",
		"      delegate_to: other\n",
		"", /* what add_host has changed */
	};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		_cleanup_free_ char *proof = text_format("%s/owned", (char *)*state);
		_cleanup_free_ char *tasks = text_format(
			"    - ansible.builtin.add_host:\n        name: \"{{ item }}\"\n"
			"        ansible_connection: local\n        ansible_ssh_host: 127.0.0.2\n"
			"        ansible_ssh_executable: /bin/true\n"
			"        ansible_python_interpreter: /bin/true\n"
			"      loop: [claude, other]\n"
			"    - name: enter\n"
			"      ansible.builtin.raw: touch %s\n%s",
			proof, ways[i]);
		_cleanup_free_ char *output = NULL;
		_cleanup_error_ struct error err = ERROR_INIT;

		assert_int_equal(play(*state, tasks, &output, &err), -1);
		assert_non_null(strstr(err.message, "'enter'"));
		assert_null(strstr(output, "127.0.0.2"));
		assert_int_equal(access(proof, F_OK), -1);
	}
}

/* Another sandbox of the project: at its own address, and not at that of the one that is played
 * for. */
static void a_task_runs_where_it_is_delegated(void **state)
{
	static const char tasks[] = "    - name: enter\n"
				    "      ansible.builtin.raw: \"true\"\n"
				    "      delegate_to: second\n";
	struct guest_access hosts[] = {guest, guest};
	_cleanup_free_ char *output = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;
	int result;

	hosts[1].name = "second";
	/* a broadcast address: nothing answers there, not even a server of this machine's */
	hosts[1].address = "127.255.255.255";
	request.hosts = hosts;
	request.host_count = ARRAY_SIZE(hosts);
	result = play(*state, tasks, &output, &err);
	request.hosts = &guest;
	request.host_count = 1;
	assert_int_equal(result, -1);
	assert_non_null(strstr(output, "connect to host 127.255.255.255 port 22"));
	assert_null(strstr(output, guest.address));
}

static void what_the_request_says(void **state)
{
	static const char tasks[] =
		"    - ansible.builtin.assert:\n"
		"        that:\n"
		"          - count + 1 == 4 and text == '7' and list[0].a\n"
		"          - lookup('config', 'DEFAULT_FORKS') == 9\n"
		"          - not lookup('config', 'DEFAULT_KEEP_REMOTE_FILES')\n"
		"      tags: wanted\n"
		"    - ansible.builtin.fail: {}\n";
	static const char *const tags[] = {"none", "wanted", NULL};
	static const char settings[] = "[defaults]\nforks = 9\n"
				       "[ssh_connection]\nssh_executable = /bin/false\n";
	_cleanup_free_ char *path = text_format("%s/named.cfg", (char *)*state);
	_cleanup_free_ char *output = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;
	int result;

	assert_int_equal(file_replace(AT_FDCWD, path, settings, strlen(settings), 0600, &err), 0);
	request.settings = path;
	request.tags = tags;
	request.vars = "{\"count\":3,\"text\":\"7\",\"list\":[{\"a\":true}]}";
	result = play(*state, tasks, &output, &err);
	request.settings = request.vars = NULL;
	request.tags = NULL;
	if (result < 0)
		fail_msg("%s\n%s", err.message, output);
	assert_non_null(strstr(output, "play | TASK [ansible.builtin.assert]"));
}

static void the_connection(void **state)
{
	static const char *const arguments[] = {"-F none"};
	_cleanup_free_ char *text = ansible_connection(&guest, 1, arguments);

	(void)state;
	assert_non_null(strstr(text, "\"claude\":{\n      \"address\":\"127.0.0.1\""));
	assert_non_null(strstr(text, "\"arguments\":\"-F none\""));
	assert_non_null(strstr(text, "\"ansible_connection\":\"ssh\""));
	assert_non_null(strstr(
		text, "\"ansible_ssh_host\":\"{{ migrant_hosts[inventory_hostname_short].address "
		      "}}\""));
}

static void what_is_not_there(void **state)
{
	_cleanup_free_ char *missing = text_format("%s/none.yml", (char *)*state);
	_cleanup_error_ struct error err = ERROR_INIT;

	request.playbook = missing;
	assert_int_equal(ansible_run(&request, &err), -1);
	assert_int_equal(err.code, EX_NOINPUT);
}

static void a_broken_playbook(void **state)
{
	_cleanup_free_ char *output = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(play(*state, "    - no_such_module_of_anybody: {}\n", &output, &err), -1);
	assert_int_equal(err.code, EX_SOFTWARE);
	assert_non_null(strstr(err.message, "no_such_module_of_anybody"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inventory),
		cmocka_unit_test(the_connection),
		cmocka_unit_test(several_hosts),
		cmocka_unit_test(quoting),
		cmocka_unit_test(the_failing_task),
		cmocka_unit_test_setup_teardown(host_configuration_stays_out, make_host,
						remove_host),
		cmocka_unit_test_setup_teardown(plugins_of_the_host_stay_out, make_host,
						remove_host),
		cmocka_unit_test_setup_teardown(output_is_escaped, make_host, remove_host),
		cmocka_unit_test_setup_teardown(an_unreachable_guest, make_host, remove_host),
		cmocka_unit_test_setup_teardown(a_task_runs_where_it_is_delegated, make_host,
						remove_host),
		cmocka_unit_test_setup_teardown(no_task_runs_here, make_host, remove_host),
		cmocka_unit_test_setup_teardown(what_the_request_says, make_host, remove_host),
		cmocka_unit_test_setup_teardown(what_is_not_there, make_host, remove_host),
		cmocka_unit_test_setup_teardown(a_broken_playbook, make_host, remove_host),
	};

	return cmocka_run_group_tests_name("ansible", tests, NULL, NULL);
}
