/* The policy: from the Migrantfile to the canonical text and to words, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "base/text.h"
#include "command/policy_check.h"
#include "command/policy_from_config.h"
#include "config/config.h"
#include "golden.h"
#include "network/policy.h"
#include "network/wire.h"

#define BEGIN "isolate yes\nipv6 off\negress open\n"
#define SIX   "isolate yes\nipv6 nat\negress open\n"
#define END   "limits 4096 500 50\n"

static struct wire sample_wire(void)
{
	struct wire wire = {.length = 30};

	assert_int_equal(parse_mac(GUEST_MAC, &wire.guest_mac), 0);
	assert_int_equal(parse_address("10.213.0.1", &wire.gateway), 0);
	assert_int_equal(parse_address("10.213.0.2", &wire.guest), 0);
	return wire;
}

static void from_migrantfile(const char *text, struct policy *policy)
{
	_cleanup_config_ struct config config = {0};
	_cleanup_error_ struct error err = ERROR_INIT;

	if (config_parse("/home/dev/p", "Migrantfile", text, strlen(text), &config, &err) < 0)
		fail_msg("%s", err.message);
	policy_from_config(&config, NULL, policy);
}

#define EVERYTHING                                                         \
	"network:\n"                                                       \
	"  isolate: false\n"                                               \
	"  ipv6: nat\n"                                                    \
	"  dns: [9.9.9.9, 2620:fe::fe]\n"                                  \
	"  allow:\n"                                                       \
	"    - lan 192.168.1.51 tcp/5432\n"                                \
	"    - host tcp/8080\n"                                            \
	"    - lan 192.168.1.50\n"                                         \
	"    - lan fd00::7 udp/853\n"                                      \
	"    - forward tcp/11434 to 100.64.0.6:11435\n"                    \
	"    - forward udp/9000 to [fd00::6]:9001\n"                       \
	"    - host udp/8080\n"                                            \
	"  ports: [\"8080:80\", \"0.0.0.0:2222:22\", \"[::1]:8081:80\"]\n" \
	"  limits: {connections: 100, new-per-second: 10, dns-per-second: 5}\n"

static const struct {
	const char *name, *text;
} samples[] = {
	{"default", ""},
	{"none", "network: {egress: none, allow: [host tcp/8080]}"},
	{"everything", EVERYTHING},
};

static void texts_are_golden(void **state)
{
	const struct wire wire = sample_wire();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		_cleanup_free_ char *canonical =
			text_format("policy/%s.canonical", samples[i].name);
		_cleanup_free_ char *words = text_format("policy/%s.words", samples[i].name);
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT, description = STRBUF_INIT;
		_cleanup_error_ struct error err = ERROR_INIT;
		struct policy policy;

		from_migrantfile(samples[i].text, &policy);
		assert_int_equal(policy_validate(&policy, &err), 0);
		policy_canonical(&policy, &text);
		assert_golden(strbuf_text(&text), canonical);
		policy_describe(&policy, &wire, &description);
		assert_golden(strbuf_text(&description), words);
	}
}

static void order_means_nothing(void **state)
{
	_cleanup_strbuf_ struct strbuf one = STRBUF_INIT, other = STRBUF_INIT;
	struct policy policy;

	(void)state;
	from_migrantfile("network: {allow: [host tcp/1, lan 10.0.0.1, host udp/1], "
			 "ports: [\"1:1\", \"2:2\"]}",
			 &policy);
	policy_canonical(&policy, &one);
	from_migrantfile("network: {allow: [host udp/1, host tcp/1, lan 10.0.0.1], "
			 "ports: [\"2:2\", \"127.0.0.1:1:1\"]}",
			 &policy);
	policy_canonical(&policy, &other);
	assert_string_equal(strbuf_text(&one), strbuf_text(&other));
}

static void a_grant_has_its_own_line(void **state)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	struct policy policy;

	(void)state;
	from_migrantfile(EVERYTHING, &policy);
	policy_grant_canonical(&policy.grants[0], &line);
	assert_string_equal(strbuf_text(&line), "allow lan 192.168.1.51 tcp/5432");
}

static void canonical_text_is_read_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT, again = STRBUF_INIT;
		_cleanup_error_ struct error err = ERROR_INIT;
		struct policy policy, back;

		from_migrantfile(samples[i].text, &policy);
		policy_canonical(&policy, &text);
		assert_int_equal(policy_parse(strbuf_text(&text), &back, &err), 0);
		policy_canonical(&back, &again);
		assert_string_equal(strbuf_text(&again), strbuf_text(&text));
	}
}

static void bad_policies_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"x\n",
		BEGIN,
		END,
		"isolate maybe\nipv6 off\negress open\n" END,
		"isolate yes\nipv6 on\negress open\n" END,
		"isolate yes\nipv6 off\negress list\n" END,
		BEGIN "limits 0 500 50\n",
		BEGIN "limits 4096 0 50\n",
		BEGIN "limits 4096 500 0\n",
		BEGIN "limits 1048577 500 50\n",
		BEGIN "limits 4096 1000001 50\n",
		BEGIN "limits 4096 500 100001\n",
		BEGIN "limits 4096 500\n",
		BEGIN END "x",
		BEGIN END END,
		BEGIN "allow\n" END,
		BEGIN "allow host\n" END,
		BEGIN "allow host tcp/53\n" END,
		BEGIN "allow host udp/67\n" END,
		BEGIN "allow host udp/68\n" END,
		BEGIN "allow host tcp/0\n" END,
		BEGIN "allow host sctp/1\n" END,
		BEGIN "allow host tcp/1 tcp/2\n" END,
		BEGIN "allow host tcp/1\nallow host tcp/1\n" END,
		BEGIN "allow forward tcp/1 to 10.0.0.1:1\nallow host tcp/1\n" END,
		BEGIN "allow forward tcp/53 to 10.0.0.1:1\n" END,
		BEGIN "allow forward tcp/1 to 10.0.0.1:0\n" END,
		BEGIN "allow forward tcp/1 to 127.0.0.1:1\n" END,
		BEGIN "allow forward tcp/1 to [::1]:1\n" END,
		BEGIN "allow forward tcp/1 to 10.0.0.1\n" END,
		BEGIN "allow forward tcp/1\n" END,
		BEGIN "allow forward tcp/1 to [10.0.0.1:1\n" END,
		BEGIN "allow forward tcp/1 to 10.0.0.1:1 via tunnel\n" END,
		BEGIN "allow forward tcp/1 at 10.0.0.1:1\n" END,
		BEGIN "allow lan 10.0.0.1 tcp\n" END,
		BEGIN "allow lan 10.0.0.1/32\n" END,
		BEGIN "allow lan 10.0.0.1\nallow lan 10.0.0.1\n" END,
		BEGIN "allow lan 10.0.0.1\nallow lan 10.0.0.1 tcp/1\n" END,
		BEGIN "allow lan 10.0.0.1 tcp/1\nallow lan 10.0.0.1 tcp/1\n" END,
		BEGIN "allow lan 10.0.0.2\nallow lan 10.0.0.1\n" END, /* not in order */
		BEGIN "allow lan 0.1.2.3\n" END,
		BEGIN "allow lan 127.9.9.9\n" END,
		BEGIN "allow lan 169.254.1.1\n" END,
		BEGIN "allow lan 169.254.169.254\n" END,
		BEGIN "allow lan 100.100.100.200\n" END,
		BEGIN "allow lan 168.63.129.16\n" END,
		BEGIN "allow lan 224.0.0.251\n" END,
		BEGIN "allow lan 255.255.255.255\n" END,
		BEGIN "allow lan fd00::1\n" END, /* the guest has no IPv6 */
		SIX "allow lan ::\n" END,
		SIX "allow lan ::1\n" END,
		SIX "allow lan ::ffff:10.0.0.1\n" END,
		SIX "allow lan 64:ff9b::a00:1\n" END,
		SIX "allow lan fe80::1\n" END,
		SIX "allow lan ff02::fb\n" END,
		SIX "allow lan fd00:ec2::254\n" END,
		SIX "dns ff02::fb\n" END,
		BEGIN "dns 2620:fe::fe\n" END,
		BEGIN "dns 127.0.0.53\n" END,
		BEGIN "dns 1\n" END,
		BEGIN "port 8080:80\n" END,
		BEGIN "port 127.0.0.1:0:80\n" END,
		BEGIN "port 127.0.0.1:80:0\n" END,
		BEGIN "port 224.0.0.1:80:80\n" END,
		BEGIN "port 255.255.255.255:80:80\n" END,
		BEGIN "port [fe80::1]:80:80\n" END,
		BEGIN "port [::ffff:10.0.0.1]:80:80\n" END,
		BEGIN "port 0.0.0.0:80:80\nport 127.0.0.1:80:81\n" END,
		BEGIN "port 127.0.0.1:80:80\nport 127.0.0.1:80:81\n" END,
		BEGIN "port 127.0.0.1:80:80\nport [::]:80:81\n" END,
	};
	struct policy policy = {.port_count = 7};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;

		if (policy_parse(bad[i], &policy, &err) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(err.code, EX_DATAERR);
		assert_int_equal(policy.port_count, 7);
	}
}

/* The bad ones above are bad for one reason each: these are their neighbours. */
static void good_policies_are_accepted(void **state)
{
	static const char *const good[] = {
		BEGIN END,
		BEGIN "limits 1048576 1000000 100000\n",
		BEGIN "limits 1 1 1\n",
		BEGIN "allow forward tcp/1 to 10.0.0.1:53\nallow host udp/1\n" END,
		BEGIN "allow lan 10.0.0.1 tcp/1\nallow lan 10.0.0.1 tcp/2\n"
		      "allow lan 10.0.0.1 udp/1\n" END,
		BEGIN "allow lan 10.0.0.1\nallow lan 10.0.0.2\n" END,
		BEGIN "allow lan 8.8.8.8 udp/53\n" END,
		SIX "allow lan 2001:db8::1\n" END,
		SIX "dns 2620:fe::fe\n" END,
		BEGIN "dns 192.168.1.1\ndns 9.9.9.9\n" END,
		BEGIN "port 0.0.0.0:80:80\nport 127.0.0.1:81:80\n" END,
		BEGIN "port 127.0.0.1:80:80\nport 127.0.0.2:80:81\nport [::1]:80:80\n" END,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		struct policy policy;

		if (policy_parse(good[i], &policy, &err) < 0)
			fail_msg("refused: %s%s", good[i], err.message);
	}
}

static void too_much_is_refused(void **state)
{
	_cleanup_strbuf_ struct strbuf grants = STRBUF_INIT, ports = STRBUF_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct policy policy;

	(void)state;
	strbuf_add_text(&grants, BEGIN);
	strbuf_add_text(&ports, BEGIN);
	for (int i = 0; i < POLICY_GRANT_MAX + 1; i++)
		strbuf_addf(&grants, "allow lan 10.0.%d.%d\n", 1 + i / 100, 100 + i % 100);
	for (int i = 0; i < POLICY_PORT_MAX + 1; i++)
		strbuf_addf(&ports, "port 127.0.0.1:%d:80\n", 1000 + i);
	strbuf_add_text(&grants, END);
	strbuf_add_text(&ports, END);
	assert_int_equal(policy_parse(strbuf_text(&grants), &policy, &err), -1);
	assert_int_equal(policy_parse(strbuf_text(&ports), &policy, &err), -1);
}

static struct address address(const char *text)
{
	struct address result;

	assert_int_equal(parse_address(text, &result), 0);
	return result;
}

/* The last address of a prefix. */
static struct address last_of(const struct prefix *prefix)
{
	struct address last = prefix->address;
	uint8_t *bytes = last.family == AF_INET ? (uint8_t *)&last.v4 : last.v6.s6_addr;
	unsigned int bits = last.family == AF_INET ? 32 : 128;

	for (unsigned int bit = prefix->length; bit < bits; bit++)
		bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return last;
}

/* Whoever writes a target that the rules never open learns it from his Migrantfile. */
static void the_migrantfile_knows_what_never_opens(void **state)
{
	(void)state;
	assert_true(policy_never_count > 7);
	for (size_t i = 0; i < policy_never_count; i++) {
		struct prefix prefix;
		struct address ends[2];

		assert_int_equal(parse_prefix(policy_never[i], &prefix), 0);
		ends[0] = prefix.address;
		ends[1] = last_of(&prefix);
		for (size_t j = 0; j < ARRAY_SIZE(ends); j++) {
			char text[ADDRESS_TEXT_MAX];
			_cleanup_free_ char *file =
				text_format("network: {ipv6: nat, allow: ['lan %s']}\n",
					    address_format(&ends[j], text));
			_cleanup_config_ struct config config = {0};
			_cleanup_error_ struct error err = ERROR_INIT;

			if (config_parse("/home/dev/p", "Migrantfile", file, strlen(file), &config,
					 &err) == 0)
				fail_msg("accepted: %s", text);
			assert_string_equal(err.place, "Migrantfile:1:35");
			assert_false(policy_is_target(&ends[j]));
		}
	}
}

/* What is wrong on a host with these addresses; place NULL: nothing. */
static void a_host_has_a_say(void **state)
{
	static const struct {
		const char *text, *place, *message;
	} cases[] = {
		{"network: {allow: [lan 192.168.1.10]}\n", "1:19",
		 "192.168.1.10 is this host's own, which is closed to sandboxes"},
		{"network: {allow: [lan 192.168.1.10 tcp/22]}\n", "1:19",
		 "192.168.1.10 is this host's own, which is closed to sandboxes"},
		{"network: {allow: [lan 8.8.8.8, 'forward tcp/1 to 5.9.1.2:80']}\n", "1:32",
		 "5.9.1.2 is this host's own, which is closed to sandboxes"},
		{"network: {ipv6: nat, allow: ['lan 2001:db8::2']}\n", "1:30",
		 "2001:db8::2 is this host's own, which is closed to sandboxes"},
		{"network: {allow: [lan 10.213.0.1]}\n", "1:19",
		 "10.213.0.1 is on the sandbox's own wire"},
		{"network: {allow: ['forward tcp/1 to 10.213.0.2:1']}\n", "1:19",
		 "10.213.0.2 is on the sandbox's own wire"},
		{"network: {allow: [lan 198.19.255.254]}\n", "1:19",
		 "198.19.255.254 is one of the links between host and sandboxes"},
		{"network: {ports: ['192.168.1.11:80:80']}\n", "1:19",
		 "the host has no address 192.168.1.11"},
		{"network: {ports: ['[2001:db8::3]:80:80']}\n", "1:19",
		 "the host has no address 2001:db8::3"},
		{"network: {allow: [host tcp/22, lan 192.168.1.11, lan 198.20.0.1, lan "
		 "10.213.0.4]}\n",
		 NULL, NULL},
		{"network: {ports: ['80:80', '192.168.1.10:81:80', '0.0.0.0:82:80', '[::]:83:80',"
		 " '[2001:db8::2]:84:80', '127.0.0.9:85:80']}\n",
		 NULL, NULL},
	};
	const struct address own[] = {address("5.9.1.2"), address("192.168.1.10"),
				      address("2001:db8::2")};
	const struct wire wire = sample_wire();
	struct prefix pool;
	const struct policy_surroundings host = {&wire, &pool, own, ARRAY_SIZE(own)};

	(void)state;
	assert_int_equal(parse_prefix("198.18.0.0/15", &pool), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_config_ struct config config = {0};
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ char *place = NULL;

		assert_int_equal(config_parse("/home/dev/p", "Migrantfile", cases[i].text,
					      strlen(cases[i].text), &config, &err),
				 0);
		if (!cases[i].place) {
			if (policy_check_among(&config, &host, &err) < 0)
				fail_msg("%s", err.message);
			continue;
		}
		place = text_format("Migrantfile:%s", cases[i].place);
		assert_int_equal(policy_check_among(&config, &host, &err), -1);
		assert_int_equal(err.code, EX_CONFIG);
		assert_string_equal(err.message, cases[i].message);
		assert_string_equal(err.place, place);
		if (strstr(err.message, "host's own"))
			assert_non_null(strstr(err.hint, "`host PROTO/PORT`"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_golden),
		cmocka_unit_test(order_means_nothing),
		cmocka_unit_test(a_grant_has_its_own_line),
		cmocka_unit_test(canonical_text_is_read_back),
		cmocka_unit_test(bad_policies_are_refused),
		cmocka_unit_test(good_policies_are_accepted),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(the_migrantfile_knows_what_never_opens),
		cmocka_unit_test(a_host_has_a_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
