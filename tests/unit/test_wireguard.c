/* wg-quick files: what is read, what is refused, and that no key is ever in an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "golden.h"
#include "tunnel/wireguard.h"
#include "tunnel/wireguard_state.h"

#define PRIVATE "SHvC6pPtCFs4ShMXFkU7OJnd9x6FQYxSEpkEW1zmPU8="
#define PUBLIC	"PEkWyrtX3mSQe0YVzGkGmOZDPA0TyUQPZoxjvE7JFnM="
#define SECOND	"fi27pa1mBT2nl6eFdMJkTWdiTYTS6AuDDlxpfO5bfxM="
#define SHARED	"rLcBXUoUV4sYWLIUGwjv6bTF8RQKQgWXkkwq6xqzVVI="

#define INTERFACE "[Interface]\nPrivateKey = " PRIVATE "\nAddress = 10.8.0.2/32\n"
#define PEER	  "[Peer]\nPublicKey = " PUBLIC "\nAllowedIPs = 0.0.0.0/0\n"
#define ENDPOINT  "Endpoint = 192.0.2.1:51820\n"

static void parse(const char *text, struct wireguard *ret_wireguard)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (wireguard_parse(text, strlen(text), "wireguard.conf", ret_wireguard, &err) < 0)
		fail_msg("%s: %s", err.place, err.message);
}

static void check_written(const char *text, const char *golden)
{
	_cleanup_wireguard_ struct wireguard wireguard = {0}, again = {0};
	_cleanup_wireguard_text_ struct strbuf output = STRBUF_INIT, second = STRBUF_INIT;

	parse(text, &wireguard);
	wireguard_write(&wireguard, &output);
	assert_golden(output.text, golden);
	parse(output.text, &again);
	wireguard_write(&again, &second);
	assert_string_equal(second.text, output.text);
}

static const char everything[] = "\xef\xbb\xbf# a comment\r\n"
				 "  [interface]  # another\r\n"
				 "privatekey=" PRIVATE "\r\n"
				 "ADDRESS = 10.8.0.2/24, fd00:8::2/64\r\n"
				 "Address = 10.9.0.2\r\n"
				 "DNS = 10.8.0.1, corp.example fd00:8::1\r\n"
				 "DNS=9.9.9.9,10.8.0.1\r\n"
				 "Mtu = 1380\r\n"
				 "ListenPort = 51821\r\n"
				 "FwMark = 0xca6c\r\n"
				 "Table = off\r\n"
				 "SaveConfig = true\r\n"
				 "\r\n"
				 "[PEER]\r\n"
				 "PublicKey = " PUBLIC "#\r\n"
				 "PresharedKey = " SHARED "\r\n"
				 "AllowedIPs = 10.8.0.77/24,fd00:8::1/64\r\n"
				 "AllowedIPs = 10.200.0.1\r\n"
				 "Endpoint = vpn.Example.org:51820\r\n"
				 "PersistentKeepalive = 25\r\n"
				 "[Peer]\r\n"
				 "AllowedIPs = 0.0.0.0/0, ::/0, 10.8.0.0/24\r\n"
				 "Endpoint = [2001:db8::7]:443\r\n"
				 "PersistentKeepalive = off\r\n"
				 "PublicKey = " SECOND;

static void what_a_file_may_hold(void **state)
{
	_cleanup_wireguard_ struct wireguard wireguard = {0};

	(void)state;
	check_written(everything, "tunnel/everything.conf");
	check_written(INTERFACE PEER ENDPOINT, "tunnel/small.conf");
	parse(everything, &wireguard);
	assert_true(wireguard.unused.table && wireguard.unused.fw_mark);
	assert_true(wireguard.unused.save_config && wireguard.unused.search_domains);
	assert_string_equal(wireguard.peers[0].endpoint.host, "vpn.Example.org");
	assert_ptr_equal(wireguard_unresolved(&wireguard), &wireguard.peers[0]);
}

static void what_wg_is_given(void **state)
{
	_cleanup_wireguard_text_ struct strbuf greet = STRBUF_INIT, plain = STRBUF_INIT;
	_cleanup_wireguard_ struct wireguard wireguard = {0};

	(void)state;
	parse(everything, &wireguard);
	assert_int_equal(parse_address("192.0.2.9", &wireguard.peers[0].endpoint.address), 0);
	assert_null(wireguard_unresolved(&wireguard));
	wireguard_write_setconf(&wireguard, true, &greet);
	assert_golden(greet.text, "tunnel/setconf-greet.conf");
	wireguard_write_setconf(&wireguard, false, &plain);
	assert_golden(plain.text, "tunnel/setconf.conf");
}

static void where_an_address_goes(void **state)
{
	_cleanup_wireguard_ struct wireguard wireguard = {0};
	struct address address;

	(void)state;
	parse(INTERFACE "[Peer]\nPublicKey = " PUBLIC "\nAllowedIPs = 10.0.0.0/8, ::/0\n" ENDPOINT,
	      &wireguard);
	assert_true(wireguard_carries(&wireguard, AF_INET));
	assert_false(wireguard_carries(&wireguard, AF_INET6)); /* there is no address of it */
	assert_int_equal(parse_address("10.1.2.3", &address), 0);
	assert_true(wireguard_routes(&wireguard, &address));
	assert_int_equal(parse_address("11.1.2.3", &address), 0);
	assert_false(wireguard_routes(&wireguard, &address));
	assert_int_equal(parse_address("2001:db8::1", &address), 0);
	assert_false(wireguard_routes(&wireguard, &address));
}

static void keys_as_wg_writes_them(void **state)
{
	static const char *const bad[] = {
		"",
		"AAAA",
		"SHvC6pPtCFs4ShMXFkU7OJnd9x6FQYxSEpkEW1zmPU8",
		"SHvC6pPtCFs4ShMXFkU7OJnd9x6FQYxSEpkEW1zmPU9=", /* bits behind the 256th */
		"SHvC6pPtCFs4ShMXFkU7OJnd9x6FQYxSEpkEW1zmP=8=",
		"SHvC6pPtCFs4ShMXFkU7OJnd9x6FQYxSEpkEW1zmPU8==",
		"SHvC6pPtCFs4ShMXFkU7OJnd9x6FQYxSEpkEW1zm-U8=",
		"SHvC6pPtCFs4ShMXFkU7OJnd9x6FQYxSEpkEW1zmPU88",
	};
	static const char *const good[] = {PRIVATE, PUBLIC, SECOND, SHARED};
	char text[WIREGUARD_KEY_TEXT_MAX];
	struct wireguard_key key;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(wireguard_key_parse(good[i], strlen(good[i]), &key), 0);
		assert_string_equal(wireguard_key_format(&key, text), good[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(wireguard_key_parse(bad[i], strlen(bad[i]), &key), -1);
	for (unsigned int byte = 0; byte < 256; byte++) {
		struct wireguard_key again;

		memset(key.bytes, (int)byte, sizeof(key.bytes));
		wireguard_key_format(&key, text);
		assert_int_equal(wireguard_key_parse(text, strlen(text), &again), 0);
		assert_memory_equal(&key, &again, sizeof(key));
	}
}

static const struct {
	const char *text;
	const char *place;
	const char *message;
} refused[] = {
	{"", "f", "there is no [Interface]"},
	{"PrivateKey = " PRIVATE, "f:1", "PrivateKey belongs below [Interface]"},
	{"[Interface]\nPublicKey = " PUBLIC, "f:2", "PublicKey belongs below [Peer]"},
	{INTERFACE "[Peer]\nAddress = 10.8.0.2\n", "f:5", "Address belongs below [Interface]"},
	{"[Interface]\nAddress = 10.8.0.2\n[Peer]\n", "f:1", "this section has no PrivateKey"},
	{INTERFACE "[Peer]\nAllowedIPs = ::/0\n", "f:4", "this section has no PublicKey"},
	{"[Interface]\nPrivateKey = " PRIVATE "\n" PEER ENDPOINT, "f",
	 "[Interface] has no Address"},
	{INTERFACE, "f", "there is no [Peer]"},
	{INTERFACE PEER, "f", "no [Peer] has an Endpoint"},
	{INTERFACE "[Peer]\nPublicKey = " PUBLIC "\nAllowedIPs = ::/0\n" ENDPOINT, "f",
	 "no Address and"},
	{INTERFACE "[Peer]\nPublicKey = " PUBLIC "\nAllowedIPs =\n" ENDPOINT, "f",
	 "no Address and"},
	{INTERFACE INTERFACE, "f:4", "[Interface] stands there twice"},
	{INTERFACE PEER PEER, "f:8", "PublicKey: another [Peer] has the same key"},
	{INTERFACE "PrivateKey = " PRIVATE, "f:4", "PrivateKey stands twice"},
	{INTERFACE "MTU = 1400\nmtu = 1400\n", "f:5", "MTU stands twice"},
	{INTERFACE PEER ENDPOINT ENDPOINT, "f:8", "Endpoint stands twice"},
	{INTERFACE "Address = 10.8.0.2/24", "f:4", "Address: the address stands there twice"},
	{INTERFACE "Address = 127.0.0.2", "f:4", "Address: no host can have"},
	{INTERFACE "Address = ff02::1", "f:4", "Address: no host can have"},
	{INTERFACE "Address = fe80::1/64", "f:4", "Address: no host can have"},
	{INTERFACE "Address = 169.254.1.1", "f:4", "Address: no host can have"},
	{INTERFACE "Address = " PRIVATE, "f:4", "Address: Address takes addresses"},
	{INTERFACE "DNS = 10.8.0.1;9.9.9.9", "f:4", "DNS: DNS takes"},
	{INTERFACE "DNS = fe80::1", "f:4", "DNS: no resolver can have"},
	{INTERFACE "MTU = 575", "f:4", "MTU: MTU is a number"},
	{INTERFACE "MTU = +1400", "f:4", "MTU: MTU is a number"},
	{INTERFACE "MTU = 1279\nAddress = fd00::2\n[Peer]\nPublicKey = " PUBLIC
		   "\nAllowedIPs = ::/0\n" ENDPOINT,
	 "f", "MTU is below 1280"},
	{INTERFACE "ListenPort = 53", "f:4", "ListenPort: ListenPort below 1024"},
	{INTERFACE "ListenPort = 65536", "f:4", "ListenPort: ListenPort is a number"},
	{INTERFACE "FwMark = 0x123456789", "f:4", "FwMark: FwMark is a number or off"},
	{INTERFACE "Table = a b", "f:4", "Table: Table is"},
	{INTERFACE "SaveConfig = 1", "f:4", "SaveConfig: SaveConfig is"},
	{INTERFACE "PreUp = iptables -F", "f:4", "PreUp: commands for the host are never"},
	{INTERFACE "POSTUP = echo " PRIVATE, "f:4", "PostUp: commands for the host are never"},
	{INTERFACE "PreDown =", "f:4", "PreDown: commands for the host are never"},
	{INTERFACE "PostDown = x", "f:4", "PostDown: commands for the host are never"},
	{INTERFACE PEER "AllowedIPs = 10.0.0.0/33", "f:7", "AllowedIPs: AllowedIPs takes"},
	{INTERFACE PEER "AllowedIPs = 10.0.0.0/8,", "f:7", "AllowedIPs: AllowedIPs takes"},
	{INTERFACE PEER "AllowedIPs = 10.0.0.0/8 ::/0", "f:7", "AllowedIPs: AllowedIPs takes"},
	{INTERFACE PEER "Endpoint = 192.0.2.1", "f:7", "Endpoint: the endpoint's port"},
	{INTERFACE PEER "Endpoint = 192.0.2.1:0", "f:7", "Endpoint: the endpoint's port"},
	{INTERFACE PEER "Endpoint =", "f:7", "Endpoint: Endpoint is HOST:PORT"},
	{INTERFACE PEER "Endpoint = [192.0.2.1]:1", "f:7", "Endpoint: Endpoint is HOST:PORT"},
	{INTERFACE PEER "Endpoint = [2001:db8::1]1", "f:7", "Endpoint: the endpoint's port"},
	{INTERFACE PEER "Endpoint = [2001:db8::1]x:1", "f:7", "Endpoint: the endpoint's port"},
	{INTERFACE PEER "Endpoint = 2001:db8::1:51820", "f:7", "Endpoint: "},
	{INTERFACE PEER "Endpoint = [fe80::1%eth0]:1", "f:7", "Endpoint: Endpoint is HOST:PORT"},
	{INTERFACE PEER "Endpoint = 010.0.0.1:1", "f:7", "Endpoint: Endpoint is HOST:PORT"},
	{INTERFACE PEER "Endpoint = 239.1.1.1:1", "f:7", "Endpoint: no peer can be reached"},
	{INTERFACE PEER "Endpoint = -x.org:1", "f:7", "Endpoint: Endpoint is HOST:PORT"},
	{INTERFACE PEER "Endpoint = a..org:1", "f:7", "Endpoint: Endpoint is HOST:PORT"},
	{INTERFACE PEER "PersistentKeepalive = 65536", "f:7", "PersistentKeepalive: Pers"},
	{INTERFACE PEER "PresharedKey = " SHARED "x", "f:7", "PresharedKey: a key is 44"},
	{INTERFACE PEER "PublicKey", "f:7", "a line is KEY = VALUE"},
	{"[Interface]\nPrivateKey =\n" PRIVATE "\n", "f:2", "PrivateKey: a key is 44"},
	{INTERFACE PRIVATE "\n", "f:4", "this key is not one of wg-quick's"},
	{INTERFACE "PrivatKey = " PRIVATE "\n", "f:4", "this key is not one of wg-quick's"},
	{INTERFACE "[Peers]\n", "f:4", "a section is [Interface] or [Peer]"},
	{INTERFACE "[" PRIVATE "]\n", "f:4", "a section is [Interface] or [Peer]"},
	{INTERFACE "Private Key = " PRIVATE "\n", "f:4", "this key is not one of wg-quick's"},
	{"[Interface]\nPrivateKey = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "f:2",
	 "PrivateKey: a key of zeros"},
};

/* No eight characters of a key that is in the file are in what is said of it. */
static void assert_silent(const char *said)
{
	static const char *const secrets[] = {PRIVATE, SHARED};
	char part[9] = "";

	for (size_t i = 0; said && i < ARRAY_SIZE(secrets); i++)
		for (size_t at = 0; at + sizeof(part) <= strlen(secrets[i]); at++) {
			memcpy(part, secrets[i] + at, sizeof(part) - 1);
			assert_null(strstr(said, part));
		}
}

static void what_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_wireguard_ struct wireguard wireguard = {0};
		_cleanup_error_ struct error err = ERROR_INIT;
		const char *text = refused[i].text;

		if (wireguard_parse(text, strlen(text), "f", &wireguard, &err) == 0)
			fail_msg("taken: %s", text);
		assert_int_equal(err.code, EX_DATAERR);
		assert_string_equal(err.place, refused[i].place);
		if (!text_starts(err.message, refused[i].message))
			fail_msg("%s: '%s'", text, err.message);
		assert_silent(err.message);
		assert_silent(err.hint);
		assert_null(err.detail);
		assert_int_equal(wireguard.peer_count, 0);
	}
}

static void check_hint(const char *line, const char *hint)
{
	_cleanup_free_ char *text = text_format(INTERFACE "%s", line);
	_cleanup_wireguard_ struct wireguard wireguard = {0};
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(wireguard_parse(text, strlen(text), "f", &wireguard, &err), -1);
	if (hint)
		assert_string_equal(err.hint, hint);
	else
		assert_null(err.hint);
}

static void what_was_meant(void **state)
{
	(void)state;
	check_hint("adress = 10.0.0.1", "did you mean Address?");
	check_hint("ALLOWEDIP = 10.0.0.1", "did you mean AllowedIPs?");
	check_hint("Jc = 4", NULL);
	check_hint("x = 4", NULL);
}

/* @count lines, the number in each of them. */
static char *many(const char *before, const char *line, unsigned int count)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_add_text(&text, before);
	for (unsigned int i = 0; i < count; i++)
		strbuf_addf(&text, "%s%u.%u\n", line, i / 250, i % 250 + 1);
	return strbuf_take(&text);
}

static void check_limit(const char *before, const char *line, unsigned int limit)
{
	_cleanup_free_ char *most = many(before, line, limit);
	_cleanup_free_ char *more = many(before, line, limit + 1);
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_wireguard_ struct wireguard wireguard = {0};

	parse(most, &wireguard);
	assert_int_equal(wireguard_parse(more, strlen(more), "f", &wireguard, &err), -1);
	assert_non_null(strstr(err.message, "too many"));
}

static void what_is_too_much(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_wireguard_ struct wireguard wireguard = {0};
	_cleanup_free_ char *large = xcalloc(WIREGUARD_FILE_MAX + 1, 1);
	static const char nul[] = INTERFACE PEER ENDPOINT "#\0";

	(void)state;
	check_limit(INTERFACE PEER ENDPOINT, "AllowedIPs = 10.1.", WIREGUARD_ALLOWED_MAX - 1);
	check_limit(PEER ENDPOINT INTERFACE, "Address = 10.9.", WIREGUARD_ADDRESS_MAX - 1);
	check_limit(PEER ENDPOINT INTERFACE, "DNS = 10.9.", WIREGUARD_DNS_MAX);
	assert_int_equal(wireguard_parse(nul, sizeof(nul) - 1, "f", &wireguard, &err), -1);
	memset(large, '\n', WIREGUARD_FILE_MAX + 1);
	assert_int_equal(wireguard_parse(large, WIREGUARD_FILE_MAX + 1, "f", &wireguard, &err), -1);
	assert_non_null(strstr(err.message, "65536"));
}

static void how_many_peers(void **state)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_wireguard_ struct wireguard wireguard = {0};

	(void)state;
	strbuf_add_text(&text, INTERFACE PEER ENDPOINT);
	for (unsigned int i = 1; i < WIREGUARD_PEER_MAX; i++) {
		struct wireguard_key key = {.bytes = {(uint8_t)i}};
		char encoded[WIREGUARD_KEY_TEXT_MAX];

		strbuf_addf(&text, "[Peer]\nPublicKey = %s\n", wireguard_key_format(&key, encoded));
	}
	parse(text.text, &wireguard);
	assert_int_equal(wireguard.peer_count, WIREGUARD_PEER_MAX);
	strbuf_add_text(&text, "[Peer]\n");
	assert_int_equal(wireguard_parse(text.text, text.length, "f", &wireguard, &err), -1);
	assert_string_equal(err.message, "more than 64 peers");
}

static void what_a_tunnel_is_known_by(void **state)
{
	char one[WIREGUARD_IDENTITY_LENGTH + 1], two[WIREGUARD_IDENTITY_LENGTH + 1];
	_cleanup_wireguard_ struct wireguard wireguard = {0};

	(void)state;
	parse(INTERFACE PEER ENDPOINT, &wireguard);
	wireguard_identity(&wireguard, one);
	assert_true(wireguard_identity_is_valid(one));
	parse("# said otherwise\n[interface]\naddress=10.8.0.2\nPrivateKey=" PRIVATE "\nTable=off\n"
	      "[peer]\n" ENDPOINT "AllowedIPs=1.2.3.4/0\nPublicKey=" PUBLIC "\n",
	      &wireguard);
	wireguard_identity(&wireguard, two);
	assert_string_equal(one, two);
	wireguard.peers[0].endpoint.port++; /* found elsewhere, it is the same tunnel */
	wireguard_identity(&wireguard, two);
	assert_string_equal(one, two);
	wireguard.private_key.bytes[31] ^= 1;
	wireguard_identity(&wireguard, two);
	assert_string_not_equal(one, two);
	assert_false(wireguard_identity_is_valid(""));
	two[0] = 'A';
	assert_false(wireguard_identity_is_valid(two));
}

static void nothing_is_left(void **state)
{
	static const struct wireguard zero;
	struct wireguard wireguard = {0};

	(void)state;
	parse(everything, &wireguard);
	wireguard_done(&wireguard);
	assert_memory_equal(&wireguard, &zero, sizeof(zero));
}

#define DUMP_TOP PRIVATE "\t" PUBLIC "\t51821\toff\n"
#define DUMP_PEER \
	SECOND "\t" SHARED "\t[2001:db8::7]:443\t0.0.0.0/0,::/0\t1766000000\t92\t180\t25\n"
#define DUMP_QUIET SECOND "\t(none)\t(none)\t(none)\t0\t0\t0\toff\n"

static void what_wg_says(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *json = NULL;
	static const char dump[] = DUMP_TOP DUMP_PEER DUMP_QUIET;

	(void)state;
	assert_int_equal(wireguard_state_format(dump, strlen(dump), "mgw1", "kernel", &json, &err),
			 0);
	assert_string_equal(
		json, "{\"interface\":\"mgw1\",\"backend\":\"kernel\",\"peers\":["
		      "{\"public_key\":\"" SECOND "\",\"endpoint\":\"[2001:db8::7]:443\","
		      "\"allowed_ips\":[\"0.0.0.0/0\",\"::/0\"],\"latest_handshake\":1766000000,"
		      "\"received_bytes\":92,\"sent_bytes\":180,\"keepalive\":25},"
		      "{\"public_key\":\"" SECOND "\",\"endpoint\":null,\"allowed_ips\":[],"
		      "\"latest_handshake\":null,\"received_bytes\":0,\"sent_bytes\":0,"
		      "\"keepalive\":null}],\"public_key\":\"" PUBLIC "\",\"listen_port\":51821}");
	assert_silent(json);
}

static void what_wg_would_not_say(void **state)
{
	static const char *const dumps[] = {
		"",
		"\n",
		PRIVATE "\t" PUBLIC "\t51821\n",
		PRIVATE "\t" PUBLIC "\t51821\toff\tmore\n",
		PRIVATE "\tkey\t51821\toff\n",
		PRIVATE "\t" PUBLIC "\tport\toff\n",
		DUMP_TOP "\n",
		DUMP_TOP SECOND "\t(none)\t(none)\t10.0.0.0/33\t0\t0\t0\toff\n",
		DUMP_TOP SECOND "\t(none)\t(none)\t(none)\t-1\t0\t0\toff\n",
		DUMP_TOP SECOND "\t(none)\t(none)\t(none)\t0\t0\toff\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(dumps); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		char *json = NULL;

		assert_int_equal(wireguard_state_format(dumps[i], strlen(dumps[i]), "mgw1",
							"kernel", &json, &err),
				 -1);
		assert_null(json);
		assert_string_equal(err.message, "what wg says of mgw1 is not understood");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_file_may_hold),
		cmocka_unit_test(what_wg_is_given),
		cmocka_unit_test(where_an_address_goes),
		cmocka_unit_test(keys_as_wg_writes_them),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(what_was_meant),
		cmocka_unit_test(what_is_too_much),
		cmocka_unit_test(how_many_peers),
		cmocka_unit_test(what_a_tunnel_is_known_by),
		cmocka_unit_test(nothing_is_left),
		cmocka_unit_test(what_wg_says),
		cmocka_unit_test(what_wg_would_not_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
