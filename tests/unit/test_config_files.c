/* The Migrantfile as a file: where it is looked for, what lies beside it; example and reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "config/config.h"
#include "config/keys.h"
#include "config/yaml.h"

/* A directory of its own for tests that need files; the caller removes it. */
struct project {
	char path[32];
	int fd;
};

static void project_make(struct project *project)
{
	*project = (struct project){"/tmp/migrant-test-XXXXXX", -1};
	assert_non_null(mkdtemp(project->path));
	project->fd = open(project->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(project->fd >= 0);
}

static void project_write(const struct project *project, const char *name, const char *text)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(file_replace(project->fd, name, text, strlen(text), 0644, &err), 0);
}

static void project_remove(struct project *project)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	close(project->fd);
	assert_int_equal(file_remove_tree(AT_FDCWD, project->path, &err), 0);
}

static void default_files_are_found(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_config_ struct config config = {0};
	_cleanup_config_ struct config without = {0};
	struct project project;

	(void)state;
	project_make(&project);
	project_write(&project, "Migrantfile", "name: a\n");
	project_write(&project, "playbook.yml", "");
	project_write(&project, "cloud-init.yml", "");
	assert_int_equal(symlinkat("nowhere", project.fd, "wireguard.conf"), 0);
	assert_int_equal(config_load(project.path, &config, &err), 0);
	assert_string_equal(config.cloud_init, "cloud-init.yml");
	assert_string_equal(config.wireguard, "wireguard.conf");
	assert_int_equal(config.provision_count, 1);
	assert_int_equal(config.provision[0].kind, PROVISION_ANSIBLE);
	assert_int_equal(config.provision[0].position.line, 0);

	/* A tunnel that nobody mentioned must not be ignored in silence, even a broken one. */
	assert_int_equal(config_check_files(&config, &err), -1);
	assert_int_equal(err.code, EX_NOINPUT);

	project_write(&project, "Migrantfile",
		      "wireguard: none\ncloud-init: none\nprovision: []\n");
	assert_int_equal(config_load(project.path, &without, &err), 0);
	assert_null(without.wireguard);
	assert_null(without.cloud_init);
	assert_int_equal(without.provision_count, 0);
	assert_int_equal(config_require_built(&without, &err), 0);
	assert_int_equal(config_check_files(&without, &err), 0);
	project_remove(&project);
}

static void missing_files_have_a_place(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_config_ struct config config = {0};
	struct project project;

	(void)state;
	project_make(&project);
	project_write(&project, "Migrantfile", "provision:\n  - ansible: site.yml\n");
	assert_int_equal(config_load(project.path, &config, &err), 0);
	assert_int_equal(config_check_files(&config, &err), -1);
	assert_int_equal(err.code, EX_NOINPUT);
	assert_string_equal(err.message, "site.yml: No such file or directory");
	assert_true(text_ends(err.place, "Migrantfile:2:14"));
	assert_int_equal(mkdirat(project.fd, "site.yml", 0755), 0);
	assert_int_equal(config_check_files(&config, &err), -1);
	assert_string_equal(err.message, "site.yml is not a regular file");
	project_remove(&project);
}

static void load_error(const struct project *project, int code, const char *text)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct config config = {0};

	assert_int_equal(config_load(project->path, &config, &err), -1);
	assert_int_equal(err.code, code);
	if (!strstr(err.message, text))
		fail_msg("%s", err.message);
}

static void only_a_migrantfile_of_ours_is_read(void **state)
{
	struct project project;
	int fd;

	(void)state;
	project_make(&project);
	load_error(&project, EX_NOINPUT, "no Migrantfile in /tmp/migrant-test-");
	assert_int_equal(mkdirat(project.fd, "Migrantfile", 0755), 0);
	load_error(&project, EX_CONFIG, "is not a regular file");
	assert_int_equal(unlinkat(project.fd, "Migrantfile", AT_REMOVEDIR), 0);
	assert_int_equal(mkfifoat(project.fd, "Migrantfile", 0644), 0);
	load_error(&project, EX_CONFIG, "is not a regular file");
	assert_int_equal(unlinkat(project.fd, "Migrantfile", 0), 0);

	project_write(&project, "Migrantfile", "name: a\n");
	assert_int_equal(fchmodat(project.fd, "Migrantfile", 0666, 0), 0);
	load_error(&project, EX_NOPERM, "can be changed by every user");
	assert_int_equal(fchmodat(project.fd, "Migrantfile", 0644, 0), 0);
	if (geteuid() == 0) {
		assert_int_equal(fchownat(project.fd, "Migrantfile", 65534, 65534, 0), 0);
		load_error(&project, EX_NOPERM, "belongs to another user (uid 65534)");
		assert_int_equal(fchownat(project.fd, "Migrantfile", 0, 0, 0), 0);
	}
	fd = openat(project.fd, "Migrantfile", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, INT64_C(1) << 30), 0);
	close(fd);
	load_error(&project, EX_CONFIG, "larger than 256 KiB");
	project_remove(&project);
}

static void the_nearest_migrantfile_counts(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *start = realpath(".", NULL);
	_cleanup_free_ char *directory = NULL;
	_cleanup_free_ char *file = NULL;
	_cleanup_free_ char *expected = NULL;
	struct project project;

	(void)state;
	project_make(&project);
	project_write(&project, "Migrantfile", "");
	assert_int_equal(mkdirat(project.fd, "a", 0755), 0);
	assert_int_equal(mkdirat(project.fd, "a/b", 0755), 0);
	assert_int_equal(symlinkat("a/b", project.fd, "link"), 0);
	assert_int_equal(fchdir(project.fd), 0);
	assert_int_equal(chdir("link"), 0);
	assert_int_equal(config_find(NULL, &directory, &file, &err), 0);
	assert_int_equal(chdir(start), 0);
	expected = text_format("%s/Migrantfile", project.path);
	assert_string_equal(directory, project.path);
	assert_string_equal(file, expected);
	project_remove(&project);
}

/* One share that a look at the files refuses, and why. */
static void share_error(const struct project *project, const char *share, const char *message)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_config_ struct config config = {0};
	_cleanup_free_ char *text = text_format("shares: [{host: %s, guest: /x}]\n", share);

	project_write(project, "Migrantfile", text);
	assert_int_equal(config_load(project->path, &config, &err), 0);
	if (!message) {
		if (config_check_files(&config, &err) < 0)
			fail_msg("%s", err.message);
		return;
	}
	assert_int_equal(config_check_files(&config, &err), -1);
	assert_int_equal(err.code, EX_CONFIG);
	assert_true(text_ends(err.place, "Migrantfile:1:17"));
	if (!strstr(err.message, message))
		fail_msg("%s", err.message);
}

static void a_share_leads_nowhere_else(void **state)
{
	struct project project;

	(void)state;
	project_make(&project);
	share_error(&project, "new/deep", NULL);
	assert_int_equal(mkdirat(project.fd, "work", 0755), 0);
	share_error(&project, "work", NULL);
	assert_int_equal(symlinkat("work", project.fd, "link"), 0);
	share_error(&project, "link", "'link' is a symbolic link");
	share_error(&project, "link/a", "'link' is a symbolic link");
	assert_int_equal(symlinkat("nowhere", project.fd, "dangling"), 0);
	share_error(&project, "dangling", "'dangling' is a symbolic link");
	project_write(&project, "file", "");
	share_error(&project, "file", "'file' is not a directory");
	assert_int_equal(symlinkat("work/hooks", project.fd, "hooks"), 0);
	share_error(&project, "work", NULL); /* there is nothing yet that the host could run */
	assert_int_equal(mkdirat(project.fd, "work/hooks", 0755), 0);
	share_error(&project, "work", "the lifecycle hooks, 'hooks', leads into the share 'work'");
	project_remove(&project);
}

/* A role is run on the host in part, a variable can call a program there. */
static void a_share_holds_nothing_of_a_playbooks(void **state)
{
	static const char what[] = "what Ansible takes from beside a playbook, 'roles', leads into "
				   "the share 'roles'";
	static const char by_link[] = "what Ansible takes from beside a playbook, 'group_vars', "
				      "leads into the share 'work'";
	struct project project;

	(void)state;
	project_make(&project);
	share_error(&project, "roles", NULL); /* a word like another */
	project_write(&project, "playbook.yml", "");
	share_error(&project, "roles", what);
	assert_int_equal(mkdirat(project.fd, "work", 0755), 0);
	share_error(&project, "work", NULL);
	assert_int_equal(symlinkat("work", project.fd, "group_vars"), 0);
	share_error(&project, "work", by_link);
	project_remove(&project);
}

static void a_share_holds_no_other_project(void **state)
{
	struct project project;

	(void)state;
	project_make(&project);
	assert_int_equal(mkdirat(project.fd, "work", 0755), 0);
	assert_int_equal(mkdirat(project.fd, "work/other", 0755), 0);
	assert_int_equal(mkdirat(project.fd, "work/other/a", 0755), 0);
	share_error(&project, "work", NULL);
	project_write(&project, "work/other/Migrantfile", "");
	share_error(&project, "work", "the share 'work' would hold another project");
	share_error(&project, "work/other", "the share 'work/other' would hold another project");
	share_error(&project, "work/other/a", "'work/other' belongs to another project");
	share_error(&project, "work/other/b", "'work/other' belongs to another project");
	project_remove(&project);
}

static void nobody_else_changes_the_way_to_a_share(void **state)
{
	struct project project;

	(void)state;
	project_make(&project);
	assert_int_equal(mkdirat(project.fd, "open", 0755), 0);
	assert_int_equal(mkdirat(project.fd, "open/a", 0755), 0);
	assert_int_equal(fchmodat(project.fd, "open", 0777, 0), 0);
	share_error(&project, "open", "'open' can be changed by every user");
	share_error(&project, "open/a", "'open' can be changed by every user");
	assert_int_equal(fchmodat(project.fd, "open", 01777, 0), 0);
	share_error(&project, "open/a", NULL);
	assert_int_equal(fchmodat(project.fd, "open", 0755, 0), 0);
	if (geteuid() == 0) {
		assert_int_equal(fchownat(project.fd, "open/a", 65534, 65534, 0), 0);
		share_error(&project, "open/a", "'open/a' belongs to another user");
		assert_int_equal(fchownat(project.fd, "open/a", 0, 0, 0), 0);
		assert_int_equal(fchownat(project.fd, "open", 0, 65534, 0), 0);
		assert_int_equal(fchmodat(project.fd, "open", 0775, 0), 0);
		share_error(&project, "open/a", "'open' can be changed by another group");
	}
	assert_int_equal(fchmodat(project.fd, ".", 0777, 0), 0);
	share_error(&project, "new", "the way to the share is not yours alone: ");
	project_remove(&project);
}

static void a_share_is_not_the_home_directory(void **state)
{
	_cleanup_free_ char *saved = text_dup(getenv("HOME"));
	_cleanup_free_ char *home = NULL;
	struct project project;

	(void)state;
	project_make(&project);
	assert_int_equal(mkdirat(project.fd, "a", 0755), 0);
	assert_int_equal(mkdirat(project.fd, "a/me", 0755), 0);
	home = text_format("%s/a/me", project.path);
	assert_int_equal(setenv("HOME", home, 1), 0);
	share_error(&project, "a", "the share 'a' is or holds your home directory");
	share_error(&project, "a/me", "the share 'a/me' is or holds your home directory");
	share_error(&project, "a/me/work", NULL);
	assert_int_equal(saved ? setenv("HOME", saved, 1) : unsetenv("HOME"), 0);
	project_remove(&project);
}

/* What a guest planted in a share is no Migrantfile of ours, though it belongs to our user. */
static void a_migrantfile_in_a_share_is_not_read(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_config_ struct config config = {0};
	_cleanup_free_ char *planted = NULL;
	_cleanup_free_ char *deeper = NULL;
	_cleanup_free_ char *beside = NULL;
	struct project project;

	(void)state;
	project_make(&project);
	project_write(&project, "Migrantfile",
		      "shares: [{host: work, guest: /x, isolate: false}]\n");
	planted = text_format("%s/work", project.path);
	deeper = text_format("%s/work/a", project.path);
	beside = text_format("%s/workshop", project.path);
	assert_int_equal(mkdirat(project.fd, "work", 0755), 0);
	assert_int_equal(mkdirat(project.fd, "work/a", 0755), 0);
	assert_int_equal(mkdirat(project.fd, "workshop", 0755), 0);
	project_write(&project, "work/Migrantfile", "name: evil\n");
	project_write(&project, "work/a/Migrantfile", "name: evil\n");
	project_write(&project, "workshop/Migrantfile", "name: good\n");
	assert_int_equal(config_load(planted, &config, &err), -1);
	assert_int_equal(err.code, EX_NOPERM);
	assert_non_null(strstr(err.message, "lies in the share 'work'"));
	assert_int_equal(config_load(deeper, &config, &err), -1);
	assert_int_equal(err.code, EX_NOPERM);
	assert_int_equal(config_load(beside, &config, &err), 0);
	project_remove(&project);
}

static void size_and_number_are_bounded(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct config config = {0};

	(void)state;
	for (int i = 0; i < SOURCE_NODES_MAX; i++)
		strbuf_addf(&text, "k%d: 1\n", i);
	assert_int_equal(config_parse("/d", "f", text.text, text.length, &config, &err), -1);
	assert_non_null(strstr(err.message, "more than 8192 values"));
	while (text.length <= SOURCE_SIZE_MAX)
		strbuf_add_text(&text, "# ...............................................\n");
	assert_int_equal(config_parse("/d", "f", text.text, text.length, &config, &err), -1);
	assert_string_equal(err.message, "larger than 256 KiB");
	assert_string_equal(err.place, "f");
}

/* One long line full of values once took seconds: each place was counted from the line's start. */
static void a_large_file_is_read_quickly(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct config config = {0};
	clock_t start = clock();

	(void)state;
	strbuf_addf(&text, "tunnel: [%200000s", "");
	for (int i = 0; i < 8000; i++)
		strbuf_add_text(&text, "1,");
	strbuf_add_text(&text, "]\n");
	assert_int_equal(config_parse("/d", "f", text.text, text.length, &config, &err), -1);
	assert_string_equal(err.message, "'tunnel' has at most 64 items");
	assert_true((clock() - start) / CLOCKS_PER_SEC < 2);
}

static void messages_are_short(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct config config = {0};

	(void)state;
	strbuf_add_text(&text, "cpus: ");
	for (int i = 0; i < 10000; i++)
		strbuf_add_text(&text, "\xc3\xa9");
	assert_int_equal(config_parse("/d", "f", text.text, text.length, &config, &err), -1);
	assert_true(strlen(err.message) <= 303);
	assert_true(text_ends(err.message, "\xc3\xa9..."));
	assert_true(text_is_utf8(err.message, strlen(err.message)));
}

static char *read_source_file(const char *name)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *path = text_format(SOURCE_DIR "/%s", name);
	char *text = NULL;

	if (file_read(AT_FDCWD, path, 1 << 20, &text, NULL, &err) < 0)
		fail_msg("%s", err.message);
	return text;
}

static void the_example_shows_every_key(void **state)
{
	_cleanup_free_ char *text = read_source_file("Migrantfile.example");
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_config_ struct config config = {0};

	(void)state;
	if (config_parse("/example", "Migrantfile.example", text, strlen(text), &config, &err) < 0)
		fail_msg("%s: %s", err.place, err.message);
	for (enum config_key_id key = 0; key < KEY_COUNT; key++)
		if (!config.positions[key].line)
			fail_msg("Migrantfile.example lacks %s", config_keys[key].path);
	assert_int_equal(config.provision_count, 5);
}

static void the_reference_is_the_table(void **state)
{
	static const char begin[] = "<!-- keys, from src/config/keys.c -->\n";
	static const char end[] = "<!-- end of keys -->\n";
	_cleanup_free_ char *text = read_source_file("docs/migrantfile.md");
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf reference = STRBUF_INIT;
	_cleanup_free_ char *found = NULL;
	const char *from = strstr(text, begin);
	const char *to = strstr(text, end);

	(void)state;
	assert_non_null(from);
	assert_non_null(to);
	from += strlen(begin);
	keys_reference(&reference);
	if (text_equal(getenv("MIGRANT_GOLDEN"), "write")) {
		_cleanup_free_ char *whole = text_format("%.*s%s%s", (int)(from - text), text,
							 strbuf_text(&reference), to);

		assert_int_equal(file_replace(AT_FDCWD, SOURCE_DIR "/docs/migrantfile.md", whole,
					      strlen(whole), 0644, &err),
				 0);
		return;
	}
	found = text_dup_n(from, (size_t)(to - from));
	assert_string_equal(found, strbuf_text(&reference));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_files_are_found),
		cmocka_unit_test(missing_files_have_a_place),
		cmocka_unit_test(only_a_migrantfile_of_ours_is_read),
		cmocka_unit_test(the_nearest_migrantfile_counts),
		cmocka_unit_test(a_share_leads_nowhere_else),
		cmocka_unit_test(a_share_holds_nothing_of_a_playbooks),
		cmocka_unit_test(a_share_holds_no_other_project),
		cmocka_unit_test(nobody_else_changes_the_way_to_a_share),
		cmocka_unit_test(a_share_is_not_the_home_directory),
		cmocka_unit_test(a_migrantfile_in_a_share_is_not_read),
		cmocka_unit_test(size_and_number_are_bounded),
		cmocka_unit_test(a_large_file_is_read_quickly),
		cmocka_unit_test(messages_are_short),
		cmocka_unit_test(the_example_shows_every_key),
		cmocka_unit_test(the_reference_is_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
