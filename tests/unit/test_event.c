/* Events of the network log: packets in, lines out, and everything hostile in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "hook/event.h"
#include "hook/keeper_config.h"

/* 10.213.0.2:40000 > 192.168.1.50:22, SYN; a header without options */
static const uint8_t tcp4[] = {
	0x45, 0,    0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 10,	  213, 0, 2, 192, 168, 1, 50,
	0x9c, 0x40, 0, 22, 0, 0, 0, 1, 0,  0, 0, 0, 0x50, 2,   1, 0, 0,	  0,   0, 0,
};

static const uint8_t udp6[] = {
	0x60, 0, 0, 0, 0, 8, 17, 64, 0xfd, 0,	 0,   0,    0, 0, 0, 0,
	0,    0, 0, 0, 0, 0, 0,	 2,  0x20, 1,	 0xd, 0xb8, 0, 0, 0, 0,
	0,    0, 0, 0, 0, 0, 0,	 7,  0x9c, 0x40, 0x1, 0xbb, 0, 8, 0, 0,
};

/* A question for @name in wire form (@length bytes), of @type. Returns its length. */
static size_t make_question(uint8_t *message, const void *name, size_t length, uint16_t type)
{
	static const uint8_t header[] = {0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};

	memcpy(message, header, sizeof(header));
	memcpy(message + sizeof(header), name, length);
	message[sizeof(header) + length] = (uint8_t)(type >> 8);
	message[sizeof(header) + length + 1] = (uint8_t)type;
	message[sizeof(header) + length + 2] = 0;
	message[sizeof(header) + length + 3] = 1;
	return sizeof(header) + length + 4;
}

static void expect_name(const void *wire, size_t length, const char *expected)
{
	uint8_t message[600];
	char name[EVENT_NAME_MAX] = "untouched";
	uint16_t type = 0;
	size_t size = make_question(message, wire, length, 28);

	if (!expected) {
		assert_int_equal(dns_parse_question(message, size, name, &type), -1);
		assert_string_equal(name, "untouched");
		return;
	}
	assert_int_equal(dns_parse_question(message, size, name, &type), 0);
	assert_string_equal(name, expected);
	assert_int_equal(type, 28);
	/* Cut off anywhere there is no question. */
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(dns_parse_question(message, cut, name, &type), -1);
}

static void test_names(void **state)
{
	(void)state;
	expect_name("\3www\7example\3org", 17, "www.example.org");
	expect_name("", 1, ".");
	expect_name("\3a.b\1c", 7, "a\\046b.c");
	expect_name("\6\33]0;x\7", 8, "\\027]0;x\\007");
	expect_name("\4\xff\0\"\\", 6, "\\255\\000\\034\\092");
	expect_name("\2 \x7f", 4, "\\032\\127");
}

static void test_names_that_are_none(void **state)
{
	(void)state;
	expect_name("\300\014", 2, NULL); /* a pointer */
	expect_name("\100aaaa", 5, NULL); /* reserved bits */
	expect_name("\77aaaa", 5, NULL);  /* a label longer than what is there */
}

static void test_the_longest_name(void **state)
{
	uint8_t wire[300] = {0};
	uint8_t message[600];
	char name[EVENT_NAME_MAX];
	uint16_t type;
	size_t at = 0;

	(void)state;
	/* 63 + 63 + 63 + 61 bytes, each of which takes four characters: 255 with lengths and root.
	 */
	for (size_t i = 0; i < 4; i++) {
		size_t label = i < 3 ? 63 : 61;

		wire[at++] = (uint8_t)label;
		memset(wire + at, 1, label);
		at += label;
	}
	assert_int_equal(at, 254);
	assert_int_equal(
		dns_parse_question(message, make_question(message, wire, 255, 1), name, &type), 0);
	assert_int_equal(strlen(name), 250 * 4 + 3);
	/* One more byte is too long. */
	wire[64 * 3] = 62;
	memset(wire + 64 * 3 + 1, 1, 62);
	wire[255] = 0;
	assert_int_equal(
		dns_parse_question(message, make_question(message, wire, 256, 1), name, &type), -1);
}

static void expect_line(const uint8_t *packet, size_t length, enum event_kind kind,
			const char *json, const char *text)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf shown = STRBUF_INIT;
	struct event event, again;

	assert_true(event_parse_packet(kind, packet, length, &event));
	event_set_time(&event, 1795345323456);
	event_format_json(&event, &line);
	assert_string_equal(strbuf_text(&line), json);
	line.text[line.length - 1] = '\0';
	assert_int_equal(event_parse_json(line.text, &again), 0);
	event_format_text(&again, &shown);
	assert_string_equal(strbuf_text(&shown), text);
}

static void test_packets(void **state)
{
	uint8_t packet[sizeof(tcp4)];

	(void)state;
	expect_line(tcp4, sizeof(tcp4), EVENT_DENIED,
		    "{\"time\":\"2026-11-22T11:02:03.456Z\",\"event\":\"denied\",\"protocol\":"
		    "\"tcp\",\"destination\":\"192.168.1.50\",\"port\":22}\n",
		    "2026-11-22T11:02:03Z  denied      tcp     192.168.1.50:22\n");
	expect_line(udp6, sizeof(udp6), EVENT_ALLOWED,
		    "{\"time\":\"2026-11-22T11:02:03.456Z\",\"event\":\"allowed\",\"protocol\":"
		    "\"udp\",\"destination\":\"2001:db8::7\",\"port\":443}\n",
		    "2026-11-22T11:02:03Z  allowed     udp     [2001:db8::7]:443\n");
	/* No port: cut off, a later fragment, a protocol without any. */
	expect_line(tcp4, 22, EVENT_DENIED,
		    "{\"time\":\"2026-11-22T11:02:03.456Z\",\"event\":\"denied\",\"protocol\":"
		    "\"tcp\",\"destination\":\"192.168.1.50\"}\n",
		    "2026-11-22T11:02:03Z  denied      tcp     192.168.1.50\n");
	memcpy(packet, tcp4, sizeof(packet));
	packet[7] = 3;
	expect_line(packet, sizeof(packet), EVENT_LIMITED,
		    "{\"time\":\"2026-11-22T11:02:03.456Z\",\"event\":\"limited\",\"protocol\":"
		    "\"tcp\",\"destination\":\"192.168.1.50\"}\n",
		    "2026-11-22T11:02:03Z  limited     tcp     192.168.1.50\n");
	packet[9] = 253;
	expect_line(packet, sizeof(packet), EVENT_DENIED,
		    "{\"time\":\"2026-11-22T11:02:03.456Z\",\"event\":\"denied\",\"protocol\":"
		    "\"253\",\"destination\":\"192.168.1.50\"}\n",
		    "2026-11-22T11:02:03Z  denied      253     192.168.1.50\n");
}

static void test_packets_that_are_none(void **state)
{
	uint8_t packet[sizeof(tcp4)];
	struct event event;

	(void)state;
	for (size_t cut = 0; cut < 20; cut++)
		assert_false(event_parse_packet(EVENT_DENIED, tcp4, cut, &event));
	for (size_t cut = 0; cut < 40; cut++)
		assert_false(event_parse_packet(EVENT_DENIED, udp6, cut, &event));
	memcpy(packet, tcp4, sizeof(packet));
	packet[0] = 0x44; /* a header shorter than the shortest */
	assert_false(event_parse_packet(EVENT_DENIED, packet, sizeof(packet), &event));
	packet[0] = 0x55; /* another version */
	assert_false(event_parse_packet(EVENT_DENIED, packet, sizeof(packet), &event));
}

/* An IPv6 packet whose extension headers never end, or lie about their length. */
static void test_extension_headers(void **state)
{
	uint8_t packet[40 + 12 * 8] = {0x60};
	struct event event;

	(void)state;
	packet[5] = sizeof(packet) - 40;
	packet[6] = 0;
	for (size_t at = 40; at < sizeof(packet); at += 8)
		packet[at] = 60;
	assert_true(event_parse_packet(EVENT_DENIED, packet, sizeof(packet), &event));
	assert_int_equal(event.port, 0);
	packet[40] = 17;
	packet[41] = 255;
	assert_true(event_parse_packet(EVENT_DENIED, packet, sizeof(packet), &event));
	assert_int_equal(event.protocol, 17);
	assert_int_equal(event.port, 0);
}

static size_t make_udp_question(uint8_t *packet)
{
	static const uint8_t headers[] = {0x45, 0, 0, 61, 0, 1, 0,    0,    64, 17, 0, 0,  10, 213,
					  0,	2, 9, 9,  9, 9, 0x9c, 0x40, 0,	53, 0, 41, 0,  0};

	memcpy(packet, headers, sizeof(headers));
	return sizeof(headers) +
	       make_question(packet + sizeof(headers), "\3www\7example\3org", 17, 28);
}

static void test_questions(void **state)
{
	uint8_t packet[128];
	size_t length = make_udp_question(packet);

	(void)state;
	assert_int_equal(length, 61);
	expect_line(packet, length, EVENT_DNS,
		    "{\"time\":\"2026-11-22T11:02:03.456Z\",\"event\":\"dns\",\"protocol\":"
		    "\"udp\",\"destination\":\"9.9.9.9\",\"port\":53,\"name\":"
		    "\"www.example.org\",\"type\":\"AAAA\"}\n",
		    "2026-11-22T11:02:03Z  dns         AAAA    www.example.org\n");
	/* Cut off by the rule, or no question at all: what was sent is still told. */
	expect_line(packet, length - 3, EVENT_DNS,
		    "{\"time\":\"2026-11-22T11:02:03.456Z\",\"event\":\"dns\",\"protocol\":"
		    "\"udp\",\"destination\":\"9.9.9.9\",\"port\":53}\n",
		    "2026-11-22T11:02:03Z  dns         udp     9.9.9.9:53  (no question)\n");
	packet[25] = 20; /* UDP's own length ends before the question does */
	expect_line(packet, length, EVENT_DNS,
		    "{\"time\":\"2026-11-22T11:02:03.456Z\",\"event\":\"dns\",\"protocol\":"
		    "\"udp\",\"destination\":\"9.9.9.9\",\"port\":53}\n",
		    "2026-11-22T11:02:03Z  dns         udp     9.9.9.9:53  (no question)\n");
}

/* Over TCP a message follows its length; a segment without any bytes is no question. */
static void test_questions_over_tcp(void **state)
{
	uint8_t packet[128];
	struct event event;
	size_t length;

	(void)state;
	memcpy(packet, tcp4, sizeof(tcp4));
	packet[23] = 53;
	assert_false(event_parse_packet(EVENT_DNS, packet, sizeof(tcp4), &event));
	length = make_question(packet + sizeof(tcp4) + 2, "\3www\7example\3org", 17, 1);
	packet[sizeof(tcp4)] = 0;
	packet[sizeof(tcp4) + 1] = (uint8_t)length;
	packet[3] = (uint8_t)(sizeof(tcp4) + 2 + length);
	assert_true(event_parse_packet(EVENT_DNS, packet, packet[3], &event));
	assert_string_equal(event.name, "www.example.org");
	assert_int_equal(event.type, 1);
	packet[32] = 0x40; /* a header shorter than the shortest */
	assert_true(event_parse_packet(EVENT_DNS, packet, packet[3], &event));
	assert_string_equal(event.name, "");
}

static void test_types(void **state)
{
	char text[DNS_TYPE_TEXT_MAX];
	uint16_t type;

	(void)state;
	for (unsigned int i = 0; i <= UINT16_MAX; i++) {
		assert_int_equal(dns_type_parse(dns_type_format((uint16_t)i, text), &type), 0);
		assert_int_equal(type, i);
	}
	assert_string_equal(dns_type_format(65, text), "HTTPS");
	assert_string_equal(dns_type_format(65280, text), "TYPE65280");
	assert_int_equal(dns_type_parse("TYPE65536", &type), -1);
	assert_int_equal(dns_type_parse("a", &type), -1);
}

/* The file is its owner's, who may have written anything. */
static void test_lines_that_are_none(void **state)
{
	static const char *const lines[] = {
		"",
		"{",
		"{}",
		"[]",
		"null",
		"7",
		"{ \"time\": \"now\", \"event\": \"denied\" }",
		"{\"time\":\"2026-11-22T11:02:03.456Z\",\"event\":\"\x1b[2J\",\"protocol\":\"tcp\","
		"\"destination\":\"1.2.3.4\"}",
		"{\"time\":\"2026-11-22T11:02:03.456Z\",\"event\":\"denied\",\"protocol\":\"tcp\","
		"\"destination\":\"\x1b[2J\"}",
		"{\"time\":\"2026-11-22T11:02:03.456Z\",\"event\":\"denied\",\"protocol\":\"999\","
		"\"destination\":\"1.2.3.4\"}",
		"{\"time\":\"2026-11-22T11:02:03.456Z\",\"event\":\"denied\",\"protocol\":\"tcp\","
		"\"destination\":\"1.2.3.4\",\"port\":70000}",
		"{\"time\":\"2026-11-22T11:02:03.456Z\",\"event\":\"denied\",\"protocol\":\"tcp\","
		"\"destination\":\"1.2.3.4\"} x",
		"{\"time\":\"2026-11-22T11:02:03.456Z\",\"event\":\"dns\",\"protocol\":\"udp\","
		"\"destination\":\"1.2.3.4\",\"name\":\"a\\u0000b\",\"type\":\"A\"}",
		"{\"time\":\"2026-11-22T11:02:03.456Z\",\"event\":\"suppressed\",\"count\":-1}",
		"{\"time\":{\"time\":{\"time\":{}}}}",
	};
	struct event event;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_int_equal(event_parse_json(lines[i], &event), -1);
}

static void test_nothing_reaches_a_terminal_raw(void **state)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct event event;

	(void)state;
	assert_int_equal(
		event_parse_json("{\"time\":\"2026-11-22T11:02:03.456Z\",\"event\":\"dns\","
				 "\"protocol\":\"udp\",\"destination\":\"1.2.3.4\",\"name\":"
				 "\"\\u001b]0;x\\u0007\\u202e\",\"type\":\"A\"}",
				 &event),
		0);
	event_format_text(&event, &text);
	assert_string_equal(strbuf_text(&text), "2026-11-22T11:02:03Z  dns         A       "
						"\\x1b]0;x\\x07\\xe2\\x80\\xae\n");
}

static void test_suppressed(void **state)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct event event = {.kind = EVENT_SUPPRESSED, .count = 12345}, again;

	(void)state;
	event_set_time(&event, 1795345323456);
	event_format_json(&event, &line);
	line.text[line.length - 1] = '\0';
	assert_int_equal(event_parse_json(line.text, &again), 0);
	event_format_text(&again, &text);
	assert_string_equal(strbuf_text(&text),
			    "2026-11-22T11:02:03Z  suppressed  12345 more events\n");
}

static void test_kinds(void **state)
{
	enum event_kind kind;

	(void)state;
	assert_true(event_kind_parse("allowed", &kind) && kind == EVENT_ALLOWED);
	assert_true(event_kind_parse("dns", &kind) && kind == EVENT_DNS);
	assert_false(event_kind_parse("suppressed", &kind)); /* no rule's to say */
	assert_false(event_kind_parse("", &kind));
	assert_false(event_kind_parse("denied ", &kind));
}

/* The keeper's orders come back as they were written. */
static void test_orders(void **state)
{
	struct metadata metadata = {.owner = 1000};
	struct policy *policy = &metadata.policy;
	struct address control;
	struct keeper_config config, again;
	struct error err = ERROR_INIT;
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *text_again = NULL;

	(void)state;
	assert_int_equal(parse_address("198.18.0.2", &control), 0);
	assert_int_equal(parse_address("10.213.0.1", &metadata.wire.gateway), 0);
	assert_int_equal(parse_address("10.213.0.2", &metadata.wire.guest), 0);
	policy->grants[0] = (struct policy_grant){.kind = GRANT_LAN, .address = control};
	policy->grants[1] =
		(struct policy_grant){.kind = GRANT_HOST, .protocol = IPPROTO_UDP, .port = 5353};
	policy->grant_count = 2;
	assert_int_equal(parse_address("::1", &policy->ports[0].bind), 0);
	policy->ports[0].host = 8080;
	policy->ports[0].guest = 80;
	policy->port_count = 1;
	keeper_config_make(&metadata, &control, &config);
	assert_int_equal(config.grant_count, 1); /* only what is the keeper's */
	text = keeper_config_format(&config);
	assert_int_equal(keeper_config_parse(text, &again, &err), 0);
	text_again = keeper_config_format(&again);
	assert_string_equal(text, text_again);
	assert_int_equal(again.owner, 1000);
	assert_int_equal(again.grants[0].protocol, IPPROTO_UDP);
	assert_int_equal(again.ports[0].guest, 80);
	assert_int_equal(keeper_config_parse("{}", &again, &err), -1);
	assert_int_equal(err.code, EX_DATAERR);
	error_done(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_names_that_are_none),
		cmocka_unit_test(test_the_longest_name),
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_packets_that_are_none),
		cmocka_unit_test(test_extension_headers),
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_questions_over_tcp),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_lines_that_are_none),
		cmocka_unit_test(test_nothing_reaches_a_terminal_raw),
		cmocka_unit_test(test_suppressed),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
