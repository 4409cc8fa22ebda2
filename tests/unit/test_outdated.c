/* Where a sandbox is not as its Migrantfile says by now, and what makes it so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "command/outdated.h"

#define MIB (UINT64_C(1) << 20)

/* A sandbox that is what an empty Migrantfile says. */
struct fixture {
	struct definition definition;
	struct outdated_facts facts;
};

static char name_kernel[] = "/kernel", name_cmdline[] = "root=/dev/vda", name_user[] = "migrant",
	    name_box[] = "debian-12", name_tcg[] = "tcg", name_kvm[] = "kvm";

static struct fixture make(void)
{
	return (struct fixture){
		.definition = {.kernel = name_kernel,
			       .cmdline = name_cmdline,
			       .metadata = {.user = name_user, .box = name_box, .accel = name_tcg}},
		.facts = {.runs = true, .cpus = 2, .memory = 2048 * MIB, .disk = 20480 * MIB},
	};
}

/* All lines that @text gives for @fixture, each with a newline. */
static char *compare(const char *text, const struct fixture *fixture)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_config_ struct config config = {0};
	_cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
	_cleanup_list_ char **lines = NULL;

	if (config_parse("/p/demo", "Migrantfile", text, strlen(text), &config, &err) < 0)
		fail_msg("%s", err.message);
	lines = outdated_compare(&config, &fixture->definition, &fixture->facts);
	for (char **line = lines; *line; line++)
		strbuf_addf(&all, "%s\n", *line);
	return strbuf_take(&all);
}

static void nothing_is_said_of_what_is_as_written(void **state)
{
	struct fixture fixture = make();
	_cleanup_free_ char *none = compare("", &fixture);

	(void)state;
	assert_string_equal(none, "");
}

static void each_key_names_its_way(void **state)
{
	static const struct {
		const char *text, *key, *way;
	} cases[] = {
		{"cpus: 3\n", "cpus is '2', but '3' in the Migrantfile", "'migrant reload'"},
		{"memory: 1G\n", "memory is '2G', but '1G' in", "'migrant reload'"},
		{"boot: uefi\n", "boot is 'kernel', but 'uefi' in", "'migrant reload'"},
		{"ttl: 90m\n", "ttl is 'none', but '90m' in", "'migrant reload'"},
		{"accel: kvm\n", "accel is 'tcg', but 'kvm' in", "'migrant reload'"},
		{"kernel: {image: a, cmdline: quiet}\n", "kernel.cmdline is 'root=/dev/vda', but",
		 "'migrant reload'"},
		{"disk: 30G\n", "disk is '20G', but '30G' in", "'migrant resize'"},
		{"disk: 10G\n", "disk is '20G', but '10G' in", "'migrant destroy'"},
		{"user: other\n", "user is 'migrant', but 'other' in", "'migrant destroy'"},
		{"box: arch\n", "box is 'debian-12', but 'arch' in", "'migrant destroy'"},
	};
	struct fixture fixture = make();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *lines = compare(cases[i].text, &fixture);

		assert_true(text_starts(lines, cases[i].key));
		assert_non_null(strstr(lines, cases[i].way));
		assert_ptr_equal(strchr(lines, '\n'), lines + strlen(lines) - 1);
	}
}

static void a_kernel_that_was_named_since_is_said(void **state)
{
	struct fixture fixture = make();
	_cleanup_free_ char *lines = NULL;

	(void)state;
	fixture.definition.kernel = fixture.definition.cmdline = NULL;
	lines = compare("kernel: {image: a}\n", &fixture);
	assert_string_equal(lines, "boot is 'bios', but 'kernel' in the Migrantfile: "
				   "'migrant reload' takes it\n");
}

static void a_time_to_live_that_was_taken_away_is_said(void **state)
{
	struct fixture fixture = make();
	_cleanup_free_ char *lines = NULL;

	(void)state;
	fixture.definition.metadata.ttl = 8 * 3600;
	lines = compare("", &fixture);
	assert_true(text_starts(lines, "ttl is '8h', but 'none' in the Migrantfile"));
}

static void what_the_next_start_takes_is_not_said_of_a_halted_guest(void **state)
{
	struct fixture fixture = make();
	_cleanup_free_ char *lines = NULL;

	(void)state;
	fixture.facts.runs = false;
	fixture.facts.policy_differs = fixture.facts.shares_differ = true;
	lines = compare("cpus: 3\nmemory: 1G\naccel: kvm\nboot: uefi\nuser: other\n", &fixture);
	assert_true(text_starts(lines, "user is"));
	assert_ptr_equal(strchr(lines, '\n'), lines + strlen(lines) - 1);
}

static void policy_and_shares_are_said(void **state)
{
	struct fixture fixture = make();
	_cleanup_free_ char *lines = NULL;

	(void)state;
	fixture.facts.policy_differs = fixture.facts.shares_differ = true;
	lines = compare("", &fixture);
	assert_non_null(strstr(lines, "'migrant reload --policy'"));
	assert_non_null(strstr(lines, "shares are not those of the Migrantfile"));
}

static void nesting_counts_where_it_is_the_hosts(void **state)
{
	struct fixture fixture = make();
	_cleanup_free_ char *emulated = compare("nested: true\n", &fixture);
	_cleanup_free_ char *lines = NULL;

	(void)state;
	assert_string_equal(emulated, "");
	fixture.definition.metadata.accel = name_kvm;
	lines = compare("nested: true\n", &fixture);
	assert_true(text_starts(lines, "nested is 'false', but 'true'"));
}

static void an_unknown_size_is_not_compared(void **state)
{
	struct fixture fixture = make();
	_cleanup_free_ char *lines = NULL;

	(void)state;
	fixture.facts.disk = 0;
	lines = compare("disk: 30G\n", &fixture);
	assert_string_equal(lines, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_said_of_what_is_as_written),
		cmocka_unit_test(each_key_names_its_way),
		cmocka_unit_test(a_kernel_that_was_named_since_is_said),
		cmocka_unit_test(a_time_to_live_that_was_taken_away_is_said),
		cmocka_unit_test(what_the_next_start_takes_is_not_said_of_a_halted_guest),
		cmocka_unit_test(policy_and_shares_are_said),
		cmocka_unit_test(nesting_counts_where_it_is_the_hosts),
		cmocka_unit_test(an_unknown_size_is_not_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
