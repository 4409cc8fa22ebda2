/* What the program makes of a tunnel's file and a Migrantfile together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "command/policy_from_config.h"
#include "command/tunnel_file.h"
#include "command/tunnel_state.h"

#define PRIVATE "SHvC6pPtCFs4ShMXFkU7OJnd9x6FQYxSEpkEW1zmPU8="
#define PUBLIC	"PEkWyrtX3mSQe0YVzGkGmOZDPA0TyUQPZoxjvE7JFnM="

#define FILE_OF(interface, allowed)                                                         \
	"[Interface]\nPrivateKey = " PRIVATE "\n" interface "\n[Peer]\nPublicKey = " PUBLIC \
	"\nAllowedIPs = " allowed "\nEndpoint = 192.0.2.1:51820\n"
#define BOTH  FILE_OF("Address = 10.8.0.2, fd00:8::2\nDNS = 10.8.0.1", "0.0.0.0/0, ::/0")
#define V4    FILE_OF("Address = 10.8.0.2\nDNS = 10.8.0.1", "0.0.0.0/0")
#define NODNS FILE_OF("Address = 10.8.0.2", "0.0.0.0/0")
#define SPLIT FILE_OF("Address = 10.8.0.2\nDNS = 10.8.0.1, 1.1.1.1", "10.8.0.0/16")
#define AWAY  FILE_OF("Address = 10.8.0.2\nDNS = 9.9.9.9", "10.8.0.0/16")

struct pair {
	struct config config;
	struct wireguard wireguard;
};

static void pair_read(struct pair *pair, const char *migrantfile, const char *file)
{
	_cleanup_free_ char *text = text_format("wireguard: wireguard.conf\n%s", migrantfile);
	_cleanup_error_ struct error err = ERROR_INIT;

	*pair = (struct pair){0};
	if (config_parse("/home/dev/p", "Migrantfile", text, strlen(text), &pair->config, &err) <
		    0 ||
	    wireguard_parse(file, strlen(file), "wireguard.conf", &pair->wireguard, &err) < 0)
		fail_msg("%s: %s", err.place, err.message);
}

static void pair_done(struct pair *pair)
{
	config_done(&pair->config);
	wireguard_done(&pair->wireguard);
}

static const struct {
	const char *migrantfile, *file;
	int code; /* 0: fine */
	const char *place, *message;
} fitting[] = {
	{"", BOTH, 0, NULL, NULL},
	{"", NODNS, EX_DATAERR, "wireguard.conf", "there is no DNS: whom"},
	{"", AWAY, EX_DATAERR, "wireguard.conf", "the tunnel leads to none of its resolvers"},
	{"", SPLIT, 0, NULL, NULL},
	{"network: {egress: none}", NODNS, 0, NULL, NULL},
	{"network: {dns: [9.9.9.9]}", NODNS, 0, NULL, NULL},
	{"network: {dns: [9.9.9.9]}", SPLIT, EX_CONFIG, "Migrantfile:2:16",
	 "the tunnel does not lead to the resolver 9.9.9.9"},
	{"network: {dns: [9.9.9.9, 2620:fe::fe]}", V4, EX_CONFIG, "Migrantfile:2:16",
	 "the tunnel does not lead to the resolver 2620:fe::fe"},
	{"network: {allow: ['forward tcp/9 to 10.8.0.5:9 via tunnel']}", SPLIT, 0, NULL, NULL},
	{"network: {allow: ['forward tcp/9 to 10.9.0.5:9 via tunnel']}", SPLIT, EX_CONFIG,
	 "Migrantfile:2:19", "the tunnel does not lead to 10.9.0.5"},
	{"network: {allow: [lan 10.9.0.5]}", SPLIT, 0, NULL, NULL},
	{"network: {allow: [lan 10.8.0.1 tcp/80]}", SPLIT, EX_CONFIG, "Migrantfile:2:19",
	 "10.8.0.1 is asked for names through the tunnel"},
	{"network: {dns: [10.8.0.9], allow: [lan 10.8.0.9]}", SPLIT, EX_CONFIG, "Migrantfile:2:36",
	 "10.8.0.9 is asked for names through the tunnel"},
	{"network: {dns: [10.8.0.9], allow: [lan 10.8.0.1]}", SPLIT, 0, NULL, NULL},
	{"network: {allow: ['lan fd00::9']}", BOTH, 0, NULL, NULL},
	{"network: {allow: ['lan fd00::9']}", V4, EX_CONFIG, "Migrantfile:2:19",
	 "an IPv6 address, but the guest has no IPv6"},
	{"network: {ipv6: nat, allow: ['lan fd00::9']}", V4, 0, NULL, NULL},
};

static void what_fits_together(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fitting); i++) {
		_cleanup_(pair_done) struct pair pair;
		_cleanup_error_ struct error err = ERROR_INIT;
		int result;

		pair_read(&pair, fitting[i].migrantfile, fitting[i].file);
		result = tunnel_file_check(&pair.config, &pair.wireguard, &err);
		if (result != (fitting[i].code ? -1 : 0) || err.code != fitting[i].code)
			fail_msg("%zu: %d %s", i, err.code, err.message ? err.message : "");
		if (!fitting[i].code)
			continue;
		assert_string_equal(err.place, fitting[i].place);
		assert_true(text_starts(err.message, fitting[i].message));
	}
}

static void where_ipv6_comes_from(void **state)
{
	static const struct {
		const char *migrantfile, *file;
		bool ipv6;
	} cases[] = {
		{"", BOTH, true},
		{"network: {ipv6: off}", BOTH, false},
		{"network: {ipv6: nat}", BOTH, true},
		{"", V4, false},
		{"network: {ipv6: nat}", V4, false},
		{"network: {ipv6: nat, allow: ['lan fd00::9']}", V4, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(pair_done) struct pair pair;
		struct policy policy;

		pair_read(&pair, cases[i].migrantfile, cases[i].file);
		policy_from_config(&pair.config, &pair.wireguard, &policy);
		assert_true(policy.tunnel);
		assert_int_equal(policy.ipv6, cases[i].ipv6);
	}
}

static void what_the_metadata_get(void **state)
{
	_cleanup_(pair_done) struct pair pair;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct tunnel tunnel;

	(void)state;
	pair_read(&pair, "", SPLIT);
	tunnel_facts(&pair.wireguard, 1380, &tunnel);
	assert_int_equal(tunnel_validate(&tunnel, &err), 0);
	tunnel_canonical(&tunnel, &text);
	assert_non_null(strstr(text.text, "\nmtu 1380\naddress 10.8.0.2/32\ndns 10.8.0.1\n"));
	assert_null(strstr(text.text, "1.1.1.1")); /* nobody could ask it */
	pair.wireguard.mtu = 1400;
	tunnel_facts(&pair.wireguard, 1380, &tunnel);
	assert_int_equal(tunnel.mtu, 1400);
}

static void check_notes(const char *migrantfile, const char *file, const char *const *expected,
			size_t count)
{
	_cleanup_(pair_done) struct pair pair;
	_cleanup_lines_ struct lines notes = {0};

	pair_read(&pair, migrantfile, file);
	tunnel_file_notes(&pair.config, &pair.wireguard, &notes);
	assert_int_equal(notes.count, count);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(notes.items[i], expected[i]);
}

static void what_is_said_of_a_file(void **state)
{
	static const char *const unused[] = {
		"Table, FwMark, SaveConfig: without meaning in a sandbox, and not used",
		"search domains of DNS are not used: the guest writes full names",
	};
	static const char *const split[] = {
		"the tunnel does not lead to its resolver 1.1.1.1",
		"AllowedIPs leave out part of the Internet: the guest does not reach that part",
	};
	static const char *const no_ipv6[] = {
		"'ipv6: nat', but the tunnel carries no IPv6: none leaves by it",
	};

	(void)state;
	check_notes("", BOTH, NULL, 0);
	check_notes("",
		    FILE_OF("Address = 10.8.0.2\nDNS = 10.8.0.1, corp.example\nTable = off\n"
			    "FwMark = 1\nSaveConfig = false",
			    "0.0.0.0/1, 128.0.0.0/1"),
		    unused, ARRAY_SIZE(unused));
	check_notes("", SPLIT, split, ARRAY_SIZE(split));
	check_notes("network: {ipv6: nat}", V4, no_ipv6, ARRAY_SIZE(no_ipv6));
}

struct project_dir {
	char path[64];
	int fd;
};

static void write_file(const struct project_dir *dir, const char *name, const char *text,
		       mode_t mode)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(file_replace(dir->fd, name, text, strlen(text), mode, &err), 0);
	assert_int_equal(fchmodat(dir->fd, name, mode, 0), 0);
}

static void check_load(const struct project_dir *dir, int code, const char *message,
		       const char *note)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_lines_ struct lines notes = {0};
	_cleanup_config_ struct config config = {0};
	_cleanup_wireguard_ struct wireguard wireguard = {0};
	int result;

	assert_int_equal(config_load(dir->path, &config, &err), 0);
	result = tunnel_file_load(&config, &wireguard, &notes, &err);
	assert_int_equal(result, code ? -1 : 0);
	assert_int_equal(err.code, code);
	assert_int_equal(notes.count, note ? 1 : 0);
	if (note)
		assert_string_equal(notes.items[0], note);
	if (message)
		assert_string_equal(err.message, message);
}

static void whose_the_file_is(void **state)
{
	struct project_dir dir = {.path = "/tmp/test_tunnel.XXXXXX"};
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)state;
	assert_non_null(mkdtemp(dir.path));
	dir.fd = open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_file(&dir, "Migrantfile", "wireguard: w.conf\n", 0644);
	check_load(&dir, EX_NOINPUT, "w.conf: No such file or directory", NULL);
	assert_int_equal(mkdirat(dir.fd, "w.conf", 0700), 0);
	check_load(&dir, EX_NOINPUT, "w.conf is not a regular file", NULL);
	assert_int_equal(unlinkat(dir.fd, "w.conf", AT_REMOVEDIR), 0);
	assert_int_equal(mkfifoat(dir.fd, "w.conf", 0600), 0);
	check_load(&dir, EX_NOINPUT, "w.conf is not a regular file", NULL);
	write_file(&dir, "w.conf", V4, 0600);
	check_load(&dir, 0, NULL, NULL);
	write_file(&dir, "w.conf", V4, 0644);
	check_load(&dir, 0, NULL, "others can read the private key in w.conf: chmod 600 w.conf");
	write_file(&dir, "w.conf", V4, 0602);
	check_load(&dir, EX_NOPERM,
		   "w.conf can be changed by every user, and so would the way of the guest's "
		   "packets",
		   NULL);
	write_file(&dir, "w.conf", "[Interface]\nPrivateKey = x\n", 0600);
	check_load(&dir, EX_DATAERR, "PrivateKey: a key is 44 characters of base64", NULL);
	close(dir.fd);
	assert_int_equal(file_remove_tree(AT_FDCWD, dir.path, &err), 0);
}

static void how_large_a_packet_may_be(void **state)
{
	_cleanup_(pair_done) struct pair pair;

	(void)state;
	pair_read(&pair, "", BOTH);
	/* The loopback takes more than anybody: nothing is gained beyond the usual. */
	assert_int_equal(parse_address("127.0.0.1", &pair.wireguard.peers[0].endpoint.address), 0);
	assert_int_equal(tunnel_find_mtu(&pair.wireguard), WIREGUARD_MTU_DEFAULT);
	pair.wireguard.peers[0].endpoint = (struct wireguard_endpoint){0};
	assert_int_equal(tunnel_find_mtu(&pair.wireguard), WIREGUARD_MTU_DEFAULT);
}

static void names_of_peers(void **state)
{
	_cleanup_(pair_done) struct pair pair;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct wireguard_endpoint *endpoint = &pair.wireguard.peers[0].endpoint;
	struct prefix loopback;

	(void)state;
	pair_read(&pair, "", V4);
	*endpoint = (struct wireguard_endpoint){.host = "localhost", .port = 1};
	assert_int_equal(tunnel_resolve(&pair.wireguard, &err), 0);
	assert_null(wireguard_unresolved(&pair.wireguard));
	if (endpoint->address.family == AF_INET) {
		assert_int_equal(parse_prefix("127.0.0.0/8", &loopback), 0);
		assert_true(prefix_contains(&loopback, &endpoint->address));
	} else {
		assert_true(IN6_IS_ADDR_LOOPBACK(&endpoint->address.v6));
	}
}

#define PEER(endpoint, handshake, received, sent)                                         \
	"{\"public_key\":\"b\",\"endpoint\":" endpoint ",\"latest_handshake\":" handshake \
	",\"received_bytes\":" received ",\"sent_bytes\":" sent "}"

static void what_the_helper_answers(void **state)
{
	_cleanup_(tunnel_state_done) struct tunnel_state found = {0};
	_cleanup_error_ struct error err = ERROR_INIT;
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"public_key\":\"a\"}",
		"{\"public_key\":\"a\",\"peers\":{}}",
		"{\"peers\":[]}",
	};

	(void)state;
	assert_int_equal(
		tunnel_state_parse(
			"{\"public_key\":\"a\",\"peers\":[" PEER(
				"\"192.0.2.1:1\"", "null", "1",
				"2") "," PEER("\"192.0.2.2:2\"", "1766000000", "10",
					      "20") "," PEER("null", "null", "0", "0") "]}",
			&found, &err),
		0);
	assert_string_equal(found.endpoint, "192.0.2.2:2");
	assert_true(found.latest_handshake == 1766000000);
	assert_true(found.received == 11 && found.sent == 22);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct tunnel_state none = {0};

		assert_int_equal(tunnel_state_parse(bad[i], &none, &err), -1);
		assert_int_equal(err.code, EX_SOFTWARE);
		assert_null(none.answer);
	}
}

static void check_age(int64_t age, const char *words)
{
	_cleanup_free_ char *text = tunnel_age(1000000, 1000000 + age);

	assert_string_equal(text, words);
}

static void how_long_ago(void **state)
{
	_cleanup_free_ char *never = tunnel_age(0, 5);

	(void)state;
	assert_string_equal(never, "never");
	check_age(-5, "now");
	check_age(1, "1 second ago");
	check_age(119, "1 minute ago");
	check_age(7200, "2 hours ago");
	check_age(90000, "1 day ago");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fits_together),
		cmocka_unit_test(where_ipv6_comes_from),
		cmocka_unit_test(what_the_metadata_get),
		cmocka_unit_test(what_is_said_of_a_file),
		cmocka_unit_test(whose_the_file_is),
		cmocka_unit_test(how_large_a_packet_may_be),
		cmocka_unit_test(names_of_peers),
		cmocka_unit_test(what_the_helper_answers),
		cmocka_unit_test(how_long_ago),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
