/* What makes another layer, what does not, and what makes none; manifests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/text.h"
#include "layer/collect.h"
#include "layer/layer.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* -- the key -- */

static char *key_of(struct layer_inputs *inputs)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	char *key = NULL;

	layer_inputs_sort(inputs);
	assert_int_equal(layer_inputs_key(inputs, &key, &err), 0);
	assert_int_equal(strlen(key), 64);
	return key;
}

/* The key of one or two inputs. */
static char *key(const char *name, const char *value, const char *name2, const char *value2)
{
	_cleanup_layer_inputs_ struct layer_inputs inputs = {0};

	layer_inputs_add(&inputs, name, value);
	if (name2)
		layer_inputs_add(&inputs, name2, value2);
	return key_of(&inputs);
}

static void the_key_is_canonical(void **state)
{
	_cleanup_free_ char *one = key("a", "1", "b", "2"), *other = key("b", "2", "a", "1");
	_cleanup_free_ char *twice = NULL;
	_cleanup_layer_inputs_ struct layer_inputs inputs = {0};

	(void)state;
	assert_string_equal(one, other);
	for (int i = 0; i < 3; i++) {
		layer_inputs_add(&inputs, "b", "2");
		layer_inputs_add(&inputs, "a", "1");
	}
	twice = key_of(&inputs);
	assert_string_equal(one, twice);
	/* a new meaning is a new number in KEY_FORMAT, and then another text here */
	assert_string_equal(one,
			    "0935af94b0f24ac7921fceb9777ea5be984610cc3def267b92af2123feb83e9c");
}

/* No two lists read alike, wherever their parts end. */
static void lists_are_told_apart(void **state)
{
	static const struct {
		const char *name, *value, *name2, *value2;
	} lists[] = {
		{"a", "1", "b", "2"},	  {"a", "1", NULL, NULL}, {"a", "1b", "", "2"},
		{"a", "", "b", "2"},	  {"a", NULL, "b", "2"},  {"a1", "", "b", "2"},
		{"a", "1,1:b", "", "2"},  {"b", "1", "a", "2"},	  {"a", "1", "b", "2 "},
		{"ab", "12", NULL, NULL},
	};
	char *keys[ARRAY_SIZE(lists)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		keys[i] = key(lists[i].name, lists[i].value, lists[i].name2, lists[i].value2);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(keys[i], keys[j]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		free(keys[i]);
}

static void add_all(struct layer_inputs *inputs, const char *const *pairs)
{
	for (; *pairs; pairs += 2)
		layer_inputs_add(inputs, pairs[0], pairs[1]);
	layer_inputs_sort(inputs);
}

static void differences_are_named(void **state)
{
	static const struct {
		const char *before[12], *now[12], *words;
	} cases[] = {
		{{"a", "1", NULL}, {"a", "1", NULL}, NULL},
		{{"a", "1", NULL}, {"a", "2", NULL}, "a"},
		{{"a", "1", NULL}, {NULL}, "a"},
		{{NULL}, {"b", "1", NULL}, "b"},
		{{"a", "1", "c", "1", NULL}, {"b", "1", "c", "2", NULL}, "a, b, c"},
		{{"a", "1", "b", "1", "c", "1", "d", "1", NULL},
		 {"a", "2", "b", "2", "c", "2", "e", "1", NULL},
		 "a, b, c and 2 more"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_layer_inputs_ struct layer_inputs before = {0}, now = {0};
		_cleanup_free_ char *words = NULL;

		add_all(&before, cases[i].before);
		add_all(&now, cases[i].now);
		words = layer_inputs_compare(&before, &now);
		if (cases[i].words)
			assert_string_equal(words, cases[i].words);
		else
			assert_null(words);
	}
}

static void words_decide(void **state)
{
	static const struct {
		const char *text;
		bool refuses, uses_name;
	} cases[] = {
		{"- raw: true\n", false, false},
		{"$ANSIBLE_VAULT;1.1;AES256\n66\n", true, false},
		{"token: !vault |\n", true, false},
		{"no_log: true\n", true, false},
		{"vars_prompt:\n", true, false},
		{"x: \"{{ lookup('env', 'TOKEN') }}\"\n", true, false},
		{"x: \"{{ lookup('pipe', 'id') }}\"\n", true, false},
		{"x: \"{{ query('env', 'TOKEN') }}\"\n", true, false},
		{"x: '{{ q(\"env\", \"TOKEN\") | first }}'\n", true, false},
		{"x: \"{{ lookup( 'pipe', 'id' ) }}\"\n", true, false},
		{"- debug:\n  with_env: [TOKEN]\n", true, false},
		{"x: \"{{ lookup('unvault', 'key') }}\"\n", true, false},
		{"x: \"{{ lookup('community.general.passwordstore', 'a') }}\"\n", true, false},
		{"{\"env\": {\"A\": \"1\"}}\n", false, false},
		{"x: \"{{ lookup('file', 'key') }}\"\n", false, false},
		{"- copy: {}\n  delegate_to: localhost\n", true, false},
		{"- fetch: {src: /x, dest: y}\n", true, false},
		{"x: \"{{ inventory_hostname }}\"\n", false, true},
		{"echo $(hostname) >/etc/me\n", false, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_layer_inputs_ struct layer_inputs inputs = {0};

		layer_inputs_scan(&inputs, "a.yml", cases[i].text, strlen(cases[i].text));
		assert_int_equal(inputs.refusal != NULL, cases[i].refuses);
		assert_int_equal(inputs.uses_name, cases[i].uses_name);
	}
}

/* -- the project's files -- */

struct project {
	char directory[32];
	int fd;
};

static void put(const struct project *project, const char *path, const char *text, mode_t mode)
{
	_cleanup_free_ char *parent = text_format("%s/%s", project->directory, path);
	_cleanup_error_ struct error err = ERROR_INIT;
	int fd;

	*strrchr(parent, '/') = '\0';
	assert_int_equal(file_make_dirs(parent, 0755, &err), 0);
	fd = openat(project->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(file_write_fd(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void begin(struct project *project)
{
	memcpy(project->directory, "/tmp/migrant-test-XXXXXX", sizeof("/tmp/migrant-test-XXXXXX"));
	assert_non_null(mkdtemp(project->directory));
	project->fd = open(project->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(project, "ansible/playbook.yml", "- hosts: all\n", 0644);
	put(project, "ansible/roles/web/tasks/main.yml", "- raw: true\n", 0644);
	put(project, "ansible/roles/web/files/x", "x", 0644);
	put(project, "cloud-init.yml", "#cloud-config\n", 0644);
	put(project, "data/one", "1", 0644);
	put(project, "README.md", "read me\n", 0644);
	put(project, "src/main.c", "int main;\n", 0644);
}

static void end(struct project *project)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	close(project->fd);
	assert_int_equal(file_remove_tree(AT_FDCWD, project->directory, &err), 0);
}

static const char migrantfile[] = "box: debian-12\ncloud-init: cloud-init.yml\n"
				  "provision: [{ansible: ansible/playbook.yml, inputs: [data]}]\n";

static void collect(const struct project *project, const char *text, const char *box,
		    struct layer_inputs *inputs)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_config_ struct config config = {0};
	struct wire wire = {.length = 30};
	const struct layer_context context = {
		.box_digest = box, .cmdline = "quiet", .public_key = "key", .wire = &wire};

	assert_int_equal(parse_address("10.213.0.1", &wire.gateway), 0);
	if (config_parse(project->directory, "Migrantfile", text, strlen(text), &config, &err) <
		    0 ||
	    layer_collect(&config, &context, inputs, &err) < 0)
		fail_msg("%s", err.message);
}

/* The key, or NULL when nothing may be kept. */
static char *collected_key(const struct project *project, const char *text)
{
	_cleanup_layer_inputs_ struct layer_inputs inputs = {0};

	collect(project, text, DIGEST, &inputs);
	return inputs.refusal ? NULL : key_of(&inputs);
}

/* A changed byte, name or mode of what counts; and nothing of what does not. */
static void files_count_or_not(void **state)
{
	static const struct {
		const char *path, *text;
		mode_t mode;
		bool changes;
	} cases[] = {
		{"ansible/playbook.yml", "- hosts: All\n", 0644, true},
		{"ansible/playbook.yml", "- hosts: all\n", 0755, true},
		{"ansible/roles/web/files/x", "y", 0644, true},
		{"ansible/roles/web/files/y", "x", 0644, true},
		{"ansible/tasks.yml", "", 0644, true},
		{"ansible/group_vars/all", "", 0644, true},
		{"ansible/filter_plugins/f.py", "", 0644, true},
		{"ansible/ansible.cfg", "", 0644, true},
		{"cloud-init.yml", "#cloud-config\n{}\n", 0644, true},
		{"data/one", "2", 0644, true},
		{"data/two", "", 0644, true},
		{"README.md", "read it\n", 0644, false},
		{"src/main.c", "", 0644, false},
		{"ansible/README.md", "", 0644, false},
		{"ansible/roles/web/.git/HEAD", "", 0644, false},
		{"ansible/library/__pycache__/m.pyc", "", 0644, false},
		{"other.yml", "", 0644, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *before = NULL, *after = NULL;
		struct project project;

		begin(&project);
		before = collected_key(&project, migrantfile);
		put(&project, cases[i].path, cases[i].text, cases[i].mode);
		after = collected_key(&project, migrantfile);
		assert_non_null(before);
		assert_non_null(after);
		if (text_equal(before, after) == cases[i].changes)
			fail_msg("%s: %d", cases[i].path, cases[i].changes);
		end(&project);
	}
}

static void keys_of_the_migrantfile_count_or_not(void **state)
{
	static const struct {
		const char *text;
		bool changes;
	} cases[] = {
		{"user: other\n", true},
		{"disk: 30G\n", true},
		{"nested: true\n", true},
		{"cpus: 7\n", false},
		{"memory: 9G\n", false},
		{"name: other\n", false},
		{"connect: ssh\n", false},
		{"network: {egress: none}\n", false},
		{"shares: [{host: w, guest: /w}]\n", true},
	};
	_cleanup_free_ char *before = NULL;
	_cleanup_layer_inputs_ struct layer_inputs other_box = {0};
	_cleanup_free_ char *boxed = NULL;
	struct project project;

	(void)state;
	begin(&project);
	before = collected_key(&project, migrantfile);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = text_format("%s%s", migrantfile, cases[i].text);
		_cleanup_free_ char *after = collected_key(&project, text);

		if (text_equal(before, after) == cases[i].changes)
			fail_msg("%s: %d", cases[i].text, cases[i].changes);
	}
	collect(&project, migrantfile, "other", &other_box);
	boxed = key_of(&other_box);
	assert_string_not_equal(before, boxed);
	end(&project);
}

/* The name counts when something may write it into the guest. */
static void the_name_counts_when_it_is_used(void **state)
{
	_cleanup_free_ char *text = text_format("%sname: other\n", migrantfile);
	_cleanup_free_ char *before = NULL, *after = NULL;
	struct project project;

	(void)state;
	begin(&project);
	put(&project, "ansible/roles/web/templates/me.j2", "{{ inventory_hostname }}", 0644);
	before = collected_key(&project, migrantfile);
	after = collected_key(&project, text);
	assert_non_null(before);
	assert_string_not_equal(before, after);
	end(&project);
}

static void make_link(const struct project *project, const char *target)
{
	assert_int_equal(symlinkat(target, project->fd, "ansible/roles/link"), 0);
}

/* Links are followed inside the project; outside of it nothing is looked at. */
static void links_do_not_lead_out(void **state)
{
	static const struct {
		const char *target;
		bool counts;
	} cases[] = {
		{"../../data", true},	  {"../../data/one", true}, {"/etc/passwd", false},
		{"../../../", false},	  {"nowhere", false},	    {"link", false},
		{"../../ansible", false}, /* round and round */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_layer_inputs_ struct layer_inputs inputs = {0};
		struct project project;

		begin(&project);
		make_link(&project, cases[i].target);
		collect(&project, migrantfile, DIGEST, &inputs);
		if ((inputs.refusal == NULL) != cases[i].counts)
			fail_msg("%s: %s", cases[i].target,
				 inputs.refusal ? inputs.refusal : "counts");
		end(&project);
	}
}

static void what_is_no_file_is_not_waited_for(void **state)
{
	_cleanup_free_ char *pipe = NULL;
	struct project project;

	(void)state;
	begin(&project);
	assert_int_equal(mkfifoat(project.fd, "ansible/files", 0600), 0);
	pipe = collected_key(&project, migrantfile);
	assert_null(pipe);
	end(&project);
}

static void secrets_make_no_layer(void **state)
{
	static const struct {
		const char *path, *text, *more;
	} cases[] = {
		{"ansible/vars/all.yml", "$ANSIBLE_VAULT;1.1;AES256\n", ""},
		{"cloud-init.yml", "#cloud-config\nusers:\n- {name: a, passwd: x}\n", ""},
		{"cloud-init.yml", "#cloud-config\nchpasswd: {}\n", ""},
	};
	_cleanup_free_ char *marked = NULL, *locked = NULL;
	struct project project;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *none = NULL;

		begin(&project);
		put(&project, cases[i].path, cases[i].text, 0600);
		none = collected_key(&project, migrantfile);
		assert_null(none);
		end(&project);
	}
	begin(&project);
	marked = collected_key(&project,
			       "provision: [{ansible: ansible/playbook.yml, secret: true}]\n");
	assert_null(marked);
	put(&project, "cloud-init.yml", "#cloud-config\nusers:\n- lock_passwd: true\n", 0600);
	locked = collected_key(&project, migrantfile);
	assert_non_null(locked);
	end(&project);
}

/* -- manifests -- */

static struct layer example(void)
{
	struct layer layer = {
		.key = text_dup(DIGEST),
		.volume = text_dup("layer-" DIGEST "-0123456789abcdef.qcow2"),
		.base = text_dup("base-" DIGEST ".qcow2"),
		.base_format = text_dup("qcow2"),
		.digest = text_dup(DIGEST),
		.modified = text_dup("1.5"),
		.changed = text_dup("2.5"),
		.sandbox = text_dup("demo"),
		.directory = text_dup("/home/me/demo"),
		.created = text_dup("2026-11-22T15:00:00Z"),
		.owner = 1000,
		.group = 104,
		.stored = 4096,
		.capacity = 1 << 20,
	};

	layer_inputs_add(&layer.inputs, "box", "x");
	layer_inputs_add(&layer.inputs, "boot", NULL);
	layer_inputs_add(&layer.inputs, "file a\nb\xff", "0644 d");
	layer_inputs_sort(&layer.inputs);
	return layer;
}

static void a_manifest_reads_back(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_layer_ struct layer layer = example(), read = {0};
	_cleanup_free_ char *text = layer_format(&layer), *again = NULL;

	(void)state;
	if (layer_parse(text, &read, &err) < 0)
		fail_msg("%s", err.message);
	again = layer_format(&read);
	assert_string_equal(text, again);
	assert_int_equal(read.stored, 4096);
	assert_int_equal(read.owner, 1000);
	assert_string_equal(read.inputs.items[0].name, "boot");
	assert_string_equal(read.inputs.items[0].value, "");
	assert_string_equal(read.inputs.items[1].value, "=x");
}

static void strange_manifests_are_refused(void **state)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{"\"version\":1", "\"version\":2"},
		{"\"base\":\"base-", "\"base\":\"../base-"},
		{"\"base\":\"base-", "\"base\":\"base-/"},
		{"\"volume\":\"layer-", "\"volume\":\"disk-"},
		{"0123456789abcdef.qcow2\",\n  \"base\"", "0123456789abcde.qcow2\",\n  \"base\""},
		{"\"stored\":4096", "\"stored\":-1"},
		{"\"owner\":1000", "\"owner\":\"me\""},
		{"\"base_format\":\"qcow2\"", "\"base_format\":\"vmdk\""},
		{"\"inputs\"", "\"output\""},
		{"{", "["},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_layer_ struct layer layer = example(), read = {0};
		_cleanup_free_ char *text = layer_format(&layer);
		_cleanup_strbuf_ struct strbuf now = STRBUF_INIT;
		const char *at = strstr(text, cases[i].from);

		if (!at)
			fail_msg("%s is not in %s", cases[i].from, text);
		strbuf_add(&now, text, (size_t)(at - text));
		strbuf_add_text(&now, cases[i].to);
		strbuf_add_text(&now, at + strlen(cases[i].from));
		if (layer_parse(strbuf_text(&now), &read, &err) == 0)
			fail_msg("%s passes", cases[i].to);
		assert_int_equal(err.code, EX_DATAERR);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_key_is_canonical),
		cmocka_unit_test(lists_are_told_apart),
		cmocka_unit_test(differences_are_named),
		cmocka_unit_test(words_decide),
		cmocka_unit_test(files_count_or_not),
		cmocka_unit_test(keys_of_the_migrantfile_count_or_not),
		cmocka_unit_test(the_name_counts_when_it_is_used),
		cmocka_unit_test(links_do_not_lead_out),
		cmocka_unit_test(what_is_no_file_is_not_waited_for),
		cmocka_unit_test(secrets_make_no_layer),
		cmocka_unit_test(a_manifest_reads_back),
		cmocka_unit_test(strange_manifests_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
