/* What program and root side say to each other: metadata, record, error line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <libxml/parser.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "golden.h"
#include "hook/protocol.h"
#include "network/wire.h"

#define UUID "123e4567-e89b-42d3-a456-426614174000"

/* Everything that a policy can say. */
#define POLICY                                             \
	"isolate no\n"                                     \
	"ipv6 nat\n"                                       \
	"egress none\n"                                    \
	"tunnel yes\n"                                     \
	"dns 9.9.9.9\n"                                    \
	"dns 2620:fe::fe\n"                                \
	"allow forward tcp/80 to [2001:db8::5]:81\n"       \
	"allow forward udp/80 to 10.8.0.5:82 via tunnel\n" \
	"allow host tcp/8080\n"                            \
	"allow lan 192.168.1.50\n"                         \
	"allow lan 192.168.1.51 udp/5432\n"                \
	"port 127.0.0.1:8080:80\n"                         \
	"port [::1]:8080:80\n"                             \
	"limits 4096 500 50\n"

static void sample_tunnel(struct tunnel *tunnel)
{
	memset(tunnel->identity, 'a', TUNNEL_IDENTITY_LENGTH);
	tunnel->mtu = 1420;
	assert_int_equal(parse_prefix("10.8.0.2/32", &tunnel->addresses[0]), 0);
	assert_int_equal(parse_prefix("fd08::2/64", &tunnel->addresses[1]), 0);
	tunnel->address_count = 2;
	assert_int_equal(parse_address("10.8.0.1", &tunnel->dns[0]), 0);
	tunnel->dns_count = 1;
}

static struct metadata sample(void)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct metadata metadata = {
		.version = METADATA_VERSION,
		.name = text_dup("claude"),
		.uuid = text_dup(UUID),
		.owner = 1000,
		.directory = text_dup("/home/a b/<&\"'>"),
		.program_version = text_dup("0.1.0"),
		.wire.length = 30,
		.policy = {.isolate = true, .limits = POLICY_LIMITS_DEFAULT},
		.box = text_dup("debian-12"),
		.user = text_dup("migrant"),
		.host_key = text_dup("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI+/="),
		.accel = text_dup("tcg"),
		.ttl = 28800,
	};

	assert_int_equal(parse_mac(GUEST_MAC, &metadata.wire.guest_mac), 0);
	assert_int_equal(parse_address("10.213.0.1", &metadata.wire.gateway), 0);
	assert_int_equal(parse_address("10.213.0.2", &metadata.wire.guest), 0);
	assert_int_equal(policy_parse(POLICY, &metadata.policy, &err), 0);
	sample_tunnel(&metadata.tunnel);
	return metadata;
}

/* The element inside a domain, as libvirt would hand it to the hook. */
static char *written(const struct metadata *metadata)
{
	xmlBufferPtr buffer = xmlBufferCreate();
	xmlTextWriterPtr writer = xmlNewTextWriterMemory(buffer, 0);
	char *text;

	xmlTextWriterSetIndent(writer, 1);
	xmlTextWriterStartElement(writer, BAD_CAST "domain");
	xmlTextWriterStartElement(writer, BAD_CAST "metadata");
	metadata_write(metadata, writer);
	xmlTextWriterEndElement(writer);
	xmlTextWriterEndElement(writer);
	xmlFreeTextWriter(writer);
	text = text_dup((const char *)buffer->content);
	xmlBufferFree(buffer);
	return text;
}

static int read_back(const char *text, struct metadata *ret, struct error *err)
{
	xmlDocPtr document = xmlReadMemory(text, (int)strlen(text), NULL, NULL,
					   XML_PARSE_NONET | XML_PARSE_NOERROR);
	const xmlNode *node;
	int result;

	assert_non_null(document);
	node = metadata_find(document);
	result = node ? metadata_read(node, ret, err)
		      : error_set(err, EX_NOINPUT, "no metadata of ours");
	xmlFreeDoc(document);
	return result;
}

static void metadata_comes_back(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_metadata_ struct metadata metadata = sample();
	_cleanup_metadata_ struct metadata back = {0};
	_cleanup_free_ char *text = written(&metadata);
	_cleanup_free_ char *again = NULL;

	(void)state;
	assert_golden(text, "metadata.xml");
	assert_int_equal(metadata_validate(&metadata, &err), 0);
	assert_int_equal(read_back(text, &back, &err), 0);
	assert_string_equal(back.directory, metadata.directory);
	assert_int_equal(back.owner, 1000);
	assert_null(back.box_digest);
	again = written(&back);
	assert_string_equal(again, text);
}

/* What a migrant of before has written, and what an upgrade must not end. */
static void metadata_of_before_are_read(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_metadata_ struct metadata back = {0};
	_cleanup_strbuf_ struct strbuf policy = STRBUF_INIT;
	_cleanup_free_ char *text = NULL;

	(void)state;
	assert_int_equal(
		file_read(AT_FDCWD, TESTS_DIR "/golden/metadata-2.xml", 65536, &text, NULL, &err),
		0);
	assert_int_equal(read_back(text, &back, &err), 0);
	assert_int_equal(back.version, 2);
	policy_canonical(&back.policy, &policy);
	assert_string_equal(strbuf_text(&policy), "isolate yes\nipv6 off\negress open\n"
						  "dns 9.9.9.9\nlimits 4096 500 50\n");
}

/* Each case changes one thing of the valid document and must be refused. */
static void hostile_metadata_is_refused(void **state)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{">claude<", ">../x<"},
		{">claude<", "><"},
		{">claude<", ">cl<!-- -->aude<"},
		{">claude<", "><b/>claude<"},
		{">claude<", ">Claude<"},
		{"<migrant:name>", "<migrant:name a=\"b\">"},
		{"<migrant:name>claude</migrant:name>", ""},
		{"<migrant:name>", "<migrant:name>a</migrant:name><migrant:name>"},
		{"<migrant:name>claude</migrant:name>", "<name>claude</name>"},
		{">" UUID "<", ">123E4567-e89b-42d3-a456-426614174000<"},
		{"<migrant:owner>1000", "<migrant:owner>4294967295"},
		{"<migrant:owner>1000", "<migrant:owner>-1"},
		{"<migrant:owner>", "<migrant:owner>1</migrant:owner><migrant:owner>"},
		{"/home/a b", "home/a b"},
		{"/home/a b", "/home/a&#10;b"},
		{"/home/a b", "/home/a&#x7f;b"},
		{"version=\"3\"", "version=\"1\""},
		{"version=\"3\"", "version=\"2\""},
		{"version=\"3\"", "version=\"4\""},
		{"version=\"3\"", "version=\"03\""},
		{"version=\"3\"", ""},
		{"version=\"3\"", "version=\"3\" more=\"1\""},
		{"guest=\"10.213.0.2\"", "guest=\"10.213.0.1\""},
		{"guest=\"10.213.0.2\"", "guest=\"10.213.0.3\""},
		{"guest=\"10.213.0.2\"", "guest=\"10.213.0.0\""},
		{"guest=\"10.213.0.2\"", "guest=\"10.213.0.6\""},
		{"guest=\"10.213.0.2\"", "guest=\"10.213.0.2; drop\""},
		{"guest=\"10.213.0.2\"", "guest=\"::ffff:10.213.0.2\""},
		{"gateway=\"10.213.0.1\"", ""},
		{"length=\"30\"", "length=\"31\""},
		{"length=\"30\"", "length=\"0\""},
		{"52:54:00:6d:67:02", "52:54:00:6d:67:01"},
		{"52:54:00:6d:67:02", "53:54:00:6d:67:02"},
		{"52:54:00:6d:67:02", "00:00:00:00:00:00"},
		{"isolate=\"no\"", "isolate=\"maybe\""},
		{"isolate=\"no\"", ""},
		{">9.9.9.9<", ">127.0.0.53<"},
		{">9.9.9.9<", ">224.0.0.1<"},
		{">9.9.9.9<", ">fe80::1<"},
		{"ipv6=\"nat\"", "ipv6=\"off\""},
		{"ipv6=\"nat\"", ""},
		{"egress=\"none\"", "egress=\"list\""},
		{"egress=\"none\"", "egress=\"none\" domains=\"x\""},
		{"kind=\"host\"", "kind=\"guest\""},
		{"kind=\"host\"", "kind=\"lan\""},
		{"kind=\"host\"", "kind=\"forward\""},
		{"kind=\"host\"", "kind=\"host\" address=\"10.0.0.1\""},
		{"kind=\"host\"", "kind=\"host\" extra=\"1\""},
		{"kind=\"host\"", ""},
		{"protocol=\"tcp\" port=\"8080\"", "protocol=\"icmp\" port=\"8080\""},
		{"protocol=\"tcp\" port=\"8080\"", "protocol=\"tcp\" port=\"0\""},
		{"protocol=\"tcp\" port=\"8080\"", "protocol=\"tcp\" port=\"53\""},
		{"protocol=\"tcp\" port=\"8080\"", "protocol=\"tcp\" port=\"80; drop\""},
		{"protocol=\"tcp\" port=\"8080\"", "protocol=\"tcp\""},
		{"protocol=\"tcp\" port=\"8080\"", "protocol=\"tcp\" port=\"80\""},
		{"address=\"192.168.1.50\"", "address=\"127.0.0.1\""},
		{"address=\"192.168.1.50\"", "address=\"169.254.169.254\""},
		{"address=\"192.168.1.50\"", "address=\"192.168.1.0/24\""},
		{"address=\"192.168.1.50\"", "address=\"192.168.1.51\""},
		{"address=\"192.168.1.50\"", "address=\"::ffff:192.168.1.50\""},
		{"target-port=\"81\"", "target-port=\"81\" via=\"wires\""},
		{"target-port=\"81\"", "target-port=\"81\" via=\"\""},
		{"target-port=\"82\" via=\"tunnel\"", "target-port=\"82\" via=\"\""},
		{"address=\"192.168.1.50\"", "address=\"10.8.0.5\""},
		{"<migrant:tunnel identity=\"a", "<migrant:tunnel identity=\"A"},
		{"<migrant:tunnel identity=\"a", "<migrant:tunnel identity=\""},
		{"<migrant:tunnel identity=", "<migrant:tunnel name="},
		{"mtu=\"1420\"", "mtu=\"575\""},
		{"mtu=\"1420\"", "mtu=\"1420\" port=\"1\""},
		{"mtu=\"1420\"", ""},
		{"<migrant:address>10.8.0.2/32</migrant:address>",
		 "<migrant:address>127.0.0.1/32</migrant:address>"},
		{"<migrant:address>10.8.0.2/32</migrant:address>",
		 "<migrant:address>10.8.0.2; drop</migrant:address>"},
		{"<migrant:address>10.8.0.2/32</migrant:address>", "<migrant:address/>"},
		{"<migrant:address>10.8.0.2/32</migrant:address>",
		 "<migrant:key>10.8.0.2/32</migrant:key>"},
		{"<migrant:dns>10.8.0.1<", "<migrant:dns>ff02::1<"},
		{"</migrant:tunnel>", "</migrant:tunnel><migrant:tunnel/>"},
		{"target-port=\"81\"", ""},
		{"bind=\"127.0.0.1\"", "bind=\"224.0.0.1\""},
		{"bind=\"127.0.0.1\"", "bind=\"::\""},
		{"bind=\"127.0.0.1\"", "bind=\"::1\""},
		{"bind=\"127.0.0.1\"", ""},
		{"connections=\"4096\"", "connections=\"0\""},
		{"connections=\"4096\"", "connections=\"1048577\""},
		{"connections=\"4096\"", "connections=\"-1\""},
		{"<migrant:limits", "<migrant:limits connections=\"1\" new-per-second=\"1\" "
				    "dns-per-second=\"1\"/><migrant:limits"},
		{"<migrant:limits", "<migrant:caps"},
		{">9.9.9.9<", ">9.9.9.9\nserver=/x/<"},
		{"<migrant:dns>", "<migrant:door>1</migrant:door><migrant:dns>"},
		{">tcg<", ">hax<"},
		{">migrant<", ">-o<"},
		{"ssh-ed25519 AAAA", "ssh-rsa AAAA"},
		{"</migrant:sandbox>", "<migrant:booted>no</migrant:booted></migrant:sandbox>"},
		{">28800<", ">0<"},
		{">28800<", ">31536001<"},
		{">28800<", ">8h<"},
		{"</migrant:sandbox>", "<migrant:ttl>1</migrant:ttl></migrant:sandbox>"},
		{"</migrant:sandbox>", "<migrant:future/></migrant:sandbox>"},
		{"</migrant:sandbox>", "text</migrant:sandbox>"},
		{"</metadata>", "<migrant:sandbox xmlns:migrant=\"" METADATA_URI "\"/></metadata>"},
	};
	_cleanup_metadata_ struct metadata metadata = sample();
	_cleanup_free_ char *text = written(&metadata);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_metadata_ struct metadata back = {0};
		_cleanup_strbuf_ struct strbuf hostile = STRBUF_INIT;
		const char *at = strstr(text, cases[i].from);

		assert_non_null(at);
		strbuf_add(&hostile, text, (size_t)(at - text));
		strbuf_add_text(&hostile, cases[i].to);
		strbuf_add_text(&hostile, at + strlen(cases[i].from));
		if (read_back(strbuf_text(&hostile), &back, &err) == 0)
			fail_msg("accepted: %s", cases[i].to);
		assert_int_equal(err.code, i + 1 == ARRAY_SIZE(cases) ? EX_NOINPUT : EX_DATAERR);
		assert_null(back.name);
	}
}

static void too_many_resolvers_are_refused(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_metadata_ struct metadata metadata = sample();
	_cleanup_metadata_ struct metadata back = {0};
	_cleanup_free_ char *text = NULL;
	_cleanup_strbuf_ struct strbuf many = STRBUF_INIT;
	const char *at;

	(void)state;
	text = written(&metadata);
	at = strstr(text, "<migrant:dns>");
	strbuf_add(&many, text, (size_t)(at - text));
	for (int i = 1; i < POLICY_DNS_MAX; i++)
		strbuf_add_text(&many, "<migrant:dns>1.1.1.1</migrant:dns>");
	strbuf_add_text(&many, at);
	assert_int_equal(read_back(strbuf_text(&many), &back, &err), -1);
	assert_int_equal(err.code, EX_DATAERR);
}

static void record_comes_back(void **state)
{
	static char text[] = "x", name[] = "claude", uuid[] = UUID, address[] = "198.18.0.2";
	const struct record record = {
		.name = name,
		.uuid = uuid,
		.owner = 1000,
		.directory = text,
		.hook_version = text,
		.netns = text,
		.tap = text,
		.control_address = address,
		.uplink = text,
		.started = text,
	};
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_record_ struct record back = {0};
	_cleanup_free_ char *json = record_format(&record);

	(void)state;
	assert_int_equal(record_parse(json, &back, &err), 0);
	assert_string_equal(back.control_address, "198.18.0.2");
	assert_int_equal(back.owner, 1000);
	assert_int_equal(record_parse("[]", &back, &err), -1);
	assert_int_equal(record_parse("", &back, &err), -1);
	assert_int_equal(record_parse("{\"name\": 1}", &back, &err), -1);
	assert_int_equal(record_load("../etc", &back, &err), -1);
	assert_int_equal(err.code, EX_USAGE);
}

static void error_line_comes_back(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)state;
	assert_true(error_from_hook(
		"Hook script execution failed: internal error: Child process (LC_ALL=C "
		"/etc/libvirt/hooks/qemu.d/migrant migrant-a prepare begin -) unexpected exit "
		"status 69: migrant-hook: [69] dnsmasq is not (really) there (hint: run it "
		"(twice))\n",
		&err));
	assert_int_equal(err.code, 69);
	assert_string_equal(err.message, "dnsmasq is not (really) there");
	assert_string_equal(err.hint, "run it (twice)");
	assert_true(error_from_hook("x: migrant-hook: [70] no hint here: ", &err));
	assert_string_equal(err.message, "no hint here: ");
	assert_null(err.hint);
	assert_false(error_from_hook("Cannot get interface MTU", &err));
	assert_false(error_from_hook("migrant-hook: [0] x", &err));
	assert_false(error_from_hook("migrant-hook: [70x] x", &err));
	assert_false(error_from_hook("migrant-hook: [70]", &err));
}

static void printed_line_is_escaped(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_error_ struct error back = ERROR_INIT;
	_cleanup_free_ char *line = NULL;
	int saved = dup(STDERR_FILENO);
	char path[] = "/tmp/migrant-test-XXXXXX";
	_cleanup_close_ int fd = mkstemp(path);

	(void)state;
	error_set(&err, EX_DATAERR, "bad \033[2J\nname");
	error_hint(&err, "look");
	dup2(fd, STDERR_FILENO);
	hook_error_print(&err);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	lseek(fd, 0, SEEK_SET);
	unlink(path);
	assert_int_equal(file_read_fd(fd, 4096, &line, NULL, &back), 0);
	assert_string_equal(line, "migrant-hook: [65] bad \\x1b[2J\\x0aname (hint: look)\n");
	assert_true(error_from_hook(line, &back));
	assert_int_equal(back.code, EX_DATAERR);
	assert_string_equal(back.hint, "look");
}

static void tap_names_fit(void **state)
{
	char name[LINK_NAME_MAX];

	(void)state;
	tap_name(UUID, name);
	assert_string_equal(name, "mgt123e4567");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metadata_comes_back),
		cmocka_unit_test(metadata_of_before_are_read),
		cmocka_unit_test(hostile_metadata_is_refused),
		cmocka_unit_test(too_many_resolvers_are_refused),
		cmocka_unit_test(record_comes_back),
		cmocka_unit_test(error_line_comes_back),
		cmocka_unit_test(printed_line_is_escaped),
		cmocka_unit_test(tap_names_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
