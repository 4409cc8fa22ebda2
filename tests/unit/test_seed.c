/* The seed's documents, and what a user's cloud-init.yml may not say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include "golden.h"
#include "seed/seed.h"

static struct seed example(const char *user_data)
{
	struct seed seed = {
		.instance_id = "0b5c1f6e-8a0e-4a2e-9d0b-3f8d8a3f5a11",
		.hostname = "claude",
		.user = "migrant",
		.public_key = "ssh-ed25519 AAAAC3Nz me@host",
		.host_key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\n"
			    "-----END OPENSSH PRIVATE KEY-----\n",
		.host_key_public = "ssh-ed25519 AAAAhost",
		.wire.length = 30,
		.user_data = user_data,
		.user_data_file = "cloud-init.yml",
	};

	assert_int_equal(parse_address("10.213.0.1", &seed.wire.gateway), 0);
	assert_int_equal(parse_address("10.213.0.2", &seed.wire.guest), 0);
	assert_int_equal(parse_mac("52:54:00:6d:67:02", &seed.wire.guest_mac), 0);
	return seed;
}

static void assert_user_data(const char *user_data, const char *golden)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = NULL;
	struct seed seed = example(user_data);

	if (seed_user_data(&seed, &text, &err) < 0)
		fail_msg("%s: %s", err.place, err.message);
	assert_golden(text, golden);
}

static void test_plain(void **state)
{
	(void)state;
	assert_user_data(NULL, "seed/user-data");
	assert_user_data("", "seed/user-data");
	assert_user_data("#cloud-config\n", "seed/user-data");
	assert_user_data("{}\n", "seed/user-data");
	assert_user_data("users:\nruncmd: ~\n", "seed/user-data");
}

static void test_merged(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = NULL;

	(void)state;
	assert_int_equal(
		file_read(AT_FDCWD, TESTS_DIR "/golden/seed/user.yml", 65536, &text, NULL, &err),
		0);
	assert_user_data(text, "seed/user-data-merged");
}

static void test_shares(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *none = seed_share_script(NULL, 0, "migrant");
	_cleanup_free_ char *release = NULL;
	struct seed seed = example(NULL);
	char host[] = "a", home[] = "/home/migrant/a", odd[] = "/srv/it's $(b) \\";
	const struct share shares[] = {
		{.host = host, .guest = home, .tag = "share0", .isolate = true},
		{.host = host, .guest = odd, .tag = "share1", .read_only = true},
	};

	(void)state;
	seed.shares = shares;
	seed.share_count = ARRAY_SIZE(shares);
	assert_int_equal(seed_user_data(&seed, &text, &err), 0);
	assert_golden(text, "seed/user-data-shares");
	release = seed_share_release_script(shares, ARRAY_SIZE(shares));
	assert_golden(release, "seed/shares-release");
	assert_true(text_starts(none, "user='migrant'\nowner=1000\nentries=''\n"));
	assert_null(strstr(none, "\nmount_share "));
}

static void test_meta_data(void **state)
{
	struct seed seed = example(NULL);
	_cleanup_free_ char *text = seed_meta_data(&seed);

	(void)state;
	assert_golden(text, "seed/meta-data");
}

static void test_network_config(void **state)
{
	struct seed seed = example(NULL);
	_cleanup_free_ char *text = seed_network_config(&seed);

	(void)state;
	assert_golden(text, "seed/network-config");
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *place, *message;
	} cases[] = {
		{"packages: [git]\nhostname: x\n", "cloud-init.yml:2:1", "hostname cannot be set"},
		{"ssh_pwauth: true\n", "cloud-init.yml:1:1", "ssh_pwauth cannot be set"},
		{"ssh_keys: {}\n", "cloud-init.yml:1:1", "ssh_keys cannot be set"},
		{"disable_root: false\n", "cloud-init.yml:1:1", "disable_root cannot be set"},
		{"network: {}\n", "cloud-init.yml:1:1", "network cannot be set"},
		{"datasource_list: [Ec2]\n", "cloud-init.yml:1:1", "datasource_list cannot"},
		{"cloud_final_modules: []\n", "cloud-init.yml:1:1", "cloud_final_modules cannot"},
		{"power_state: {mode: poweroff}\n", "cloud-init.yml:1:1", "power_state cannot"},
		{"chpasswd: {expire: true}\n", "cloud-init.yml:1:1", "chpasswd cannot be set"},
		{"users:\n- name: migrant\n", "cloud-init.yml:2:9", "'migrant' is made by migrant"},
		{"users: [default, migrant]\n", "cloud-init.yml:1:18", "'migrant' is made by"},
		{"users: [[a]]\n", "cloud-init.yml:1:9", "a user is a name"},
		{"users: [{uid: 3}]\n", "cloud-init.yml:1:9", "a user is a name"},
		{"users: root\n", "cloud-init.yml:1:8", "users is a list, not a text"},
		{"runcmd: {a: b}\n", "cloud-init.yml:1:9", "runcmd is a list, not a mapping"},
		{"ssh_authorized_keys: [[]]\n", "cloud-init.yml:1:23", "a key is a text"},
		{"write_files:\n- path: /usr/local/lib/migrant/ready\n", "cloud-init.yml:2:9",
		 "is written by migrant"},
		{"write_files: [a]\n", "cloud-init.yml:1:15", "a mapping with a path"},
		{"- a\n", "cloud-init.yml:1:1", "this is a list"},
		{"#!/bin/sh\necho\n", "cloud-init.yml:1:1", "only #cloud-config"},
		{"## template: jinja\n", "cloud-init.yml:1:1", "only #cloud-config"},
		{"Content-Type: multipart/mixed\n", "cloud-init.yml:1:1", "only #cloud-config"},
		{"a: &x 1\nb: *x\n", "cloud-init.yml:1:4", "anchors"},
		{"packages: [a]\npackages: [b]\n", "cloud-init.yml:2:1", "packages"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ char *text = NULL;
		struct seed seed = example(cases[i].text);

		assert_int_equal(seed_user_data(&seed, &text, &err), -1);
		assert_null(text);
		assert_int_equal(err.code, EX_CONFIG);
		assert_string_equal(err.place, cases[i].place);
		if (!strstr(err.message, cases[i].message))
			fail_msg("'%s' is not in '%s'", cases[i].message, err.message);
	}
}

/* Nothing that a name or key holds becomes YAML of its own. */
static void test_values_are_quoted(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = NULL;
	struct seed seed = example(NULL);

	(void)state;
	seed.public_key = "ssh-ed25519 AAAA \"x\": [y]\truncmd: #";
	assert_int_equal(seed_user_data(&seed, &text, &err), 0);
	assert_non_null(strstr(text, "\n  - \"ssh-ed25519 AAAA \\\"x\\\": [y]\\truncmd: #\"\n"));
}

/* What a fork is told is three values and then the same text for all. */
static void test_fork_script(void **state)
{
	static const char expected[] = "name='left'\nhost_key='-----BEGIN\n'\\''$(x)\n'\n"
				       "host_key_public='ssh-ed25519 AAAA'\n# name, host_key";
	_cleanup_free_ char *script =
		seed_fork_script("left", "-----BEGIN\n'$(x)\n", "ssh-ed25519 AAAA");

	(void)state;
	assert_memory_equal(script, expected, strlen(expected));
}

static void test_iso(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ void *bytes = NULL;
	struct seed seed = example("packages: [git]\n");
	size_t length = 0;

	(void)state;
	assert_int_equal(seed_iso(&seed, &bytes, &length, &err), 0);
	assert_true(length > 0x8000 + 2048);
	/* ECMA-119 §8.4: the primary volume descriptor in sector 16, the volume's name at 40 */
	assert_memory_equal((char *)bytes + 0x8000, "\1CD001", 6);
	assert_memory_equal((char *)bytes + 0x8000 + 40, "cidata ", 7);
	assert_non_null(memmem(bytes, length, "#cloud-config\n", 14));
	assert_non_null(memmem(bytes, length, "BEGIN OPENSSH PRIVATE KEY", 25));
	/* with a cloud-init.yml there is no other way than cloud-init */
	for (size_t i = 0; i < 0x8000; i++)
		assert_int_equal(((char *)bytes)[i], 0);
}

/* Without a cloud-init.yml the same image begins with a script, for boxes that look there. */
static void test_first_script(void **state)
{
	static const char *const nothing[] = {NULL, "", " \n\n"};
	struct seed seed = example(NULL);
	_cleanup_free_ char *script = seed_first_script(&seed);

	(void)state;
	assert_golden(script, "seed/first");
	assert_true(text_starts(script, SEED_FIRST_MARK "\n"));
	for (size_t i = 0; i < ARRAY_SIZE(nothing); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ void *bytes = NULL;
		size_t length = 0;

		seed.user_data = nothing[i];
		assert_int_equal(seed_iso(&seed, &bytes, &length, &err), 0);
		assert_memory_equal(bytes, script, strlen(script));
		assert_int_equal(((char *)bytes)[strlen(script)], 0);
		assert_memory_equal((char *)bytes + 0x8000, "\1CD001", 6);
		assert_non_null(memmem(bytes, length, "#cloud-config\n", 14));
	}
}

/* What does not fit into the area is left to cloud-init as a whole. */
static void test_first_script_too_long(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ void *bytes = NULL;
	struct seed seed = example(NULL);
	char key[0x8000];
	size_t length = 0;

	(void)state;
	memset(key, 'A', sizeof(key));
	key[sizeof(key) - 1] = '\0';
	seed.public_key = key;
	assert_int_equal(seed_iso(&seed, &bytes, &length, &err), 0);
	assert_int_equal(((char *)bytes)[0], 0);
	assert_memory_equal((char *)bytes + 0x8000, "\1CD001", 6);
}

/* What is run by a guest that starts from a layer; it begins with the line that the guest looks
 * for. */
static void test_layer_scripts(void **state)
{
	struct seed seed = example(NULL);
	_cleanup_free_ char *identity = seed_identity(&seed);
	_cleanup_free_ char *script = seed_layer_script();
	_cleanup_free_ char *renew = seed_renew_script(seed.host_key, seed.host_key_public);
	_cleanup_free_ char *line = NULL;

	(void)state;
	assert_golden(identity, "seed/identity");
	assert_golden(script, "seed/layer");
	assert_golden(renew, "seed/renew");
	assert_int_equal(strlen(identity) % 512, 0);
	line = text_dup_n(identity, strcspn(identity, "\n"));
	assert_non_null(strstr(script, line));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_merged),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_meta_data),
		cmocka_unit_test(test_network_config),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_values_are_quoted),
		cmocka_unit_test(test_fork_script),
		cmocka_unit_test(test_layer_scripts),
		cmocka_unit_test(test_iso),
		cmocka_unit_test(test_first_script),
		cmocka_unit_test(test_first_script_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
