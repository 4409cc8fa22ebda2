/*
 * The small languages inside network.allow, ports, domains and dns. They open holes in the
 * isolation, so each is parsed whole: a word too many, an address that means more than one machine
 * or a port that the gateway itself needs is refused with its place, never skipped.
 */
#include "config/grammar.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define DOMAIN_LENGTH_MAX 253 /* RFC 1035 §2.3.4, without the final dot */
#define LABEL_LENGTH_MAX  63

#define ALLOW_GRAMMAR                                                                            \
	"host PROTO/PORT, lan ADDRESS [PROTO/PORT], or forward PROTO/PORT to ADDRESS:PORT [via " \
	"tunnel]"

/* The words of an entry, each with its place. */
struct words {
	const char *text;
	size_t at;    /* where the next word is looked for */
	size_t begin; /* of the current word */
	char *word;   /* the current word, NULL at the end */
};

static void words_done(struct words *words)
{
	free(words->word);
}

static int complain(struct complaint *complaint, size_t offset, const char *hint,
		    const char *format, ...) PRINTF_LIKE(4, 5);

static int complain(struct complaint *complaint, size_t offset, const char *hint,
		    const char *format, ...)
{
	va_list args;

	complaint_done(complaint);
	va_start(args, format);
	complaint->text = text_format_args(format, args);
	va_end(args);
	complaint->offset = offset;
	complaint->hint = hint;
	return -1;
}

/* Moves on to the next word; words->word is NULL when there is none. */
static const char *next_word(struct words *words)
{
	size_t length;

	free(words->word);
	words->at += strspn(words->text + words->at, " ");
	words->begin = words->at;
	length = strcspn(words->text + words->at, " ");
	words->word = length ? text_dup_n(words->text + words->at, length) : NULL;
	words->at += length;
	return words->word;
}

static int expect_end(struct words *words, struct complaint *complaint)
{
	if (!next_word(words))
		return 0;
	return complain(complaint, words->begin, ALLOW_GRAMMAR, "'%s' is too much here",
			words->word);
}

/* The gateway's own services: DHCP and DNS. */
static bool is_reserved(uint16_t port)
{
	return port == 53 || port == 67 || port == 68;
}

static int parse_protocol_port(const char *word, size_t begin, enum config_protocol *ret_protocol,
			       uint16_t *ret_port, struct complaint *complaint)
{
	const char *hint = "tcp/8080 or udp/8080";

	if (text_starts(word, "tcp/"))
		*ret_protocol = PROTOCOL_TCP;
	else if (text_starts(word, "udp/"))
		*ret_protocol = PROTOCOL_UDP;
	else
		return complain(complaint, begin, hint, "'%s' is no PROTO/PORT", word);
	if (parse_port(word + 4, ret_port) < 0)
		return complain(complaint, begin + 4, "a port is a number from 1 to 65535",
				"'%s' is no port", word + 4);
	return 0;
}

/* The next word as PROTO/PORT of a service at the gateway's address. */
static int parse_gateway_port(struct words *words, struct config_allow *allow,
			      struct complaint *complaint)
{
	if (!next_word(words))
		return complain(complaint, words->begin, ALLOW_GRAMMAR, "PROTO/PORT is missing");
	if (parse_protocol_port(words->word, words->begin, &allow->protocol, &allow->port,
				complaint) < 0)
		return -1;
	if (is_reserved(allow->port))
		return complain(complaint, words->begin + 4, NULL,
				"port %u is the gateway's own (DHCP and DNS)", allow->port);
	return 0;
}

static bool in_prefix(const struct address *address, const char *text)
{
	struct prefix prefix;

	return parse_prefix(text, &prefix) == 0 && prefix_contains(&prefix, address);
}

/*
 * What no exception can name, since the gateway closes it before it looks at exceptions: nobody
 * there, everybody there, or a cloud's metadata service.
 */
static const struct {
	const char *prefix, *what, *hint;
} unusable[] = {
	{"127.0.0.0/8", "the host's own loopback",
	 "`host PROTO/PORT` reaches a service of the host"},
	{"::1/128", "the host's own loopback", "`host PROTO/PORT` reaches a service of the host"},
	{"0.0.0.0/8", "no machine's address", NULL},
	{"::ffff:0:0/96", "an IPv4 address in IPv6 clothes", "write it as IPv4"},
	{"64:ff9b::/32", "an IPv4 address in IPv6 clothes", "write it as IPv4"},
	{"2001::/32", "an IPv4 address in IPv6 clothes (Teredo)", "write it as IPv4"},
	{"2002::/16", "an IPv4 address in IPv6 clothes (6to4)", "write it as IPv4"},
	{"::/8", "no machine's address", NULL},
	{"169.254.169.254/32", "a cloud's metadata service", NULL},
	{"fd00:ec2::/32", "a cloud's metadata service", NULL},
	{"fd00:c1::a9fe:a9fe/128", "a cloud's metadata service", NULL},
	{"fd20:ce::254/128", "a cloud's metadata service", NULL},
	{"168.63.129.16/32", "a cloud's metadata service", NULL},
	{"100.100.100.200/32", "a cloud's metadata service", NULL},
	{"fd6d:6967:7261::/48", "one of the links between host and sandboxes", NULL},
	{"169.254.0.0/16", "a link-local address, which is closed to every guest", NULL},
	{"fe80::/10", "a link-local address, which means nothing without an interface", NULL},
	{"fec0::/10", "a site-local address, which nobody uses any more (RFC 3879)", NULL},
	{"224.0.0.0/4", "a multicast address", NULL},
	{"ff00::/8", "a multicast address", NULL},
	{"240.0.0.0/4", "a reserved address", NULL},
};

static int check_target(const struct address *address, const char *word, size_t begin,
			struct complaint *complaint)
{
	for (size_t i = 0; i < ARRAY_SIZE(unusable); i++)
		if (in_prefix(address, unusable[i].prefix))
			return complain(complaint, begin, unusable[i].hint, "%s is %s", word,
					unusable[i].what);
	return 0;
}

static int parse_target(const char *word, size_t begin, struct address *ret_address,
			struct complaint *complaint)
{
	struct prefix prefix;

	if (strchr(word, '/') && parse_prefix(word, &prefix) == 0)
		return complain(complaint, begin, "one entry names one address", "%s is a network",
				word);
	if (parse_address(word, ret_address) < 0)
		return complain(complaint, begin, "192.168.1.50, say; names are not looked up",
				"'%s' is no address", word);
	return check_target(ret_address, word, begin, complaint);
}

/*
 * Splits "ADDRESS:PORT" or "[ADDRESS]:PORT" at the last colon; *ret_port is its index behind that
 * colon. Returns the address, or NULL when there is no colon or a bracket is missing.
 */
static char *split_endpoint(const char *word, size_t *ret_address, size_t *ret_port)
{
	const char *colon = strrchr(word, ':');
	bool bracket = word[0] == '[';

	if (!colon || (bracket && (colon == word || colon[-1] != ']')))
		return NULL;
	if (!bracket && memchr(word, ':', (size_t)(colon - word)))
		return NULL;
	*ret_address = bracket;
	*ret_port = (size_t)(colon - word) + 1;
	return text_dup_n(word + bracket, (size_t)(colon - word) - 2 * (size_t)bracket);
}

static int parse_endpoint(const char *word, size_t begin, struct config_allow *allow,
			  struct complaint *complaint)
{
	size_t address_at = 0;
	size_t port_at = 0;
	_cleanup_free_ char *address = split_endpoint(word, &address_at, &port_at);

	if (!address)
		return complain(complaint, begin, "100.64.0.6:11434 or [fd00::6]:11434",
				"'%s' is no ADDRESS:PORT", word);
	if (parse_target(address, begin + address_at, &allow->address, complaint) < 0)
		return -1;
	if (parse_port(word + port_at, &allow->target_port) < 0)
		return complain(complaint, begin + port_at, "a port is a number from 1 to 65535",
				"'%s' is no port", word + port_at);
	return 0;
}

static int parse_lan(struct words *words, struct config_allow *allow, struct complaint *complaint)
{
	allow->kind = ALLOW_LAN;
	if (!next_word(words))
		return complain(complaint, words->begin, ALLOW_GRAMMAR, "the address is missing");
	if (parse_target(words->word, words->begin, &allow->address, complaint) < 0)
		return -1;
	if (!next_word(words))
		return 0;
	if (parse_protocol_port(words->word, words->begin, &allow->protocol, &allow->port,
				complaint) < 0)
		return -1;
	if (allow->port == 53)
		return complain(complaint, words->begin + 4,
				"the gateway answers it, whomever it was for; 'dns: [ADDRESS]' "
				"makes it ask "
				"that resolver",
				"port 53 of another address is not reached from the guest");
	return expect_end(words, complaint);
}

static int parse_forward(struct words *words, struct config_allow *allow,
			 struct complaint *complaint)
{
	allow->kind = ALLOW_FORWARD;
	if (parse_gateway_port(words, allow, complaint) < 0)
		return -1;
	if (!text_equal(next_word(words), "to"))
		return complain(complaint, words->begin, ALLOW_GRAMMAR, "expected 'to' here");
	if (!next_word(words))
		return complain(complaint, words->begin, ALLOW_GRAMMAR, "ADDRESS:PORT is missing");
	if (parse_endpoint(words->word, words->begin, allow, complaint) < 0)
		return -1;
	if (!next_word(words))
		return 0;
	if (!text_equal(words->word, "via") || !text_equal(next_word(words), "tunnel"))
		return complain(complaint, words->begin, ALLOW_GRAMMAR,
				"expected 'via tunnel' here");
	allow->via_tunnel = true;
	return expect_end(words, complaint);
}

static int parse_host(struct words *words, struct config_allow *allow, struct complaint *complaint)
{
	allow->kind = ALLOW_HOST;
	if (parse_gateway_port(words, allow, complaint) < 0)
		return -1;
	return expect_end(words, complaint);
}

int parse_allow(const char *text, struct config_allow *ret_allow, struct complaint *complaint)
{
	_cleanup_(words_done) struct words words = {.text = text};
	struct config_allow allow = {.position = ret_allow->position};
	const char *kind = next_word(&words);
	int result;

	if (!kind)
		return complain(complaint, 0, ALLOW_GRAMMAR, "an empty rule");
	if (text_equal(kind, "host"))
		result = parse_host(&words, &allow, complaint);
	else if (text_equal(kind, "lan"))
		result = parse_lan(&words, &allow, complaint);
	else if (text_equal(kind, "forward"))
		result = parse_forward(&words, &allow, complaint);
	else
		return complain(complaint, words.begin, ALLOW_GRAMMAR,
				"'%s' is none of host, lan, forward", kind);
	if (result == 0)
		*ret_allow = allow;
	return result;
}

/* Where no port can be shown. */
static const struct {
	const char *prefix, *what;
} unbindable[] = {
	{"224.0.0.0/4", "a multicast address"},
	{"ff00::/8", "a multicast address"},
	{"240.0.0.0/4", "a reserved address"},
	{"fe80::/10", "a link-local address, which means nothing without an interface"},
	{"::ffff:0:0/96", "an IPv4 address in IPv6 clothes"},
};

/* The address in front of HOST:GUEST; *ret_rest is what follows it. Loopback when there is none. */
static int parse_bind(const char *text, struct address *ret_bind, const char **ret_rest,
		      struct complaint *complaint)
{
	const char *end = text[0] == '[' ? strstr(text, "]:") : NULL;
	const char *last = strrchr(text, ':');
	_cleanup_free_ char *address = NULL;

	if (end) {
		address = text_dup_n(text + 1, (size_t)(end - text) - 1);
		*ret_rest = end + 2;
	} else if (last && memchr(text, ':', (size_t)(last - text))) {
		size_t length = strcspn(text, ":");

		address = text_dup_n(text, length);
		*ret_rest = text + length + 1;
	} else {
		*ret_rest = text;
		return parse_address("127.0.0.1", ret_bind);
	}
	if (parse_address(address, ret_bind) < 0)
		return complain(complaint, end ? 1 : 0, "0.0.0.0 is every address of the host",
				"'%s' is no address", address);
	for (size_t i = 0; i < ARRAY_SIZE(unbindable); i++)
		if (in_prefix(ret_bind, unbindable[i].prefix))
			return complain(complaint, end ? 1 : 0, NULL, "%s is %s", address,
					unbindable[i].what);
	return 0;
}

int parse_forwarded_port(const char *text, struct config_port *ret_port,
			 struct complaint *complaint)
{
	struct config_port port = {.position = ret_port->position};
	const char *rest = text;
	size_t host_length;
	_cleanup_free_ char *host = NULL;

	if (parse_bind(text, &port.bind, &rest, complaint) < 0)
		return -1;
	host_length = strcspn(rest, ":");
	if (!rest[host_length])
		return complain(complaint, 0, "8080:80, or 127.0.0.1:8080:80",
				"'%s' is no HOST:GUEST", text);
	host = text_dup_n(rest, host_length);
	if (parse_port(host, &port.host) < 0)
		return complain(complaint, (size_t)(rest - text),
				"a port is a number from 1 to 65535", "'%s' is no port", host);
	rest += host_length + 1;
	if (parse_port(rest, &port.guest) < 0)
		return complain(complaint, (size_t)(rest - text),
				"a port is a number from 1 to 65535", "'%s' is no port", rest);
	*ret_port = port;
	return 0;
}

/* A label of RFC 1035 §2.3.1, digits first allowed (RFC 1123 §2.1), '_' for service names. */
static bool label_is_valid(const char *label, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		char c = label[i];
		bool inside = i > 0 && i + 1 < length;

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !(c == '_') &&
		    !(inside && c == '-'))
			return false;
	}
	return length > 0 && length <= LABEL_LENGTH_MAX;
}

static int check_labels(const char *name, size_t offset, struct complaint *complaint)
{
	const char *at = name;
	const char *last = strrchr(name, '.');

	if (strlen(name) > DOMAIN_LENGTH_MAX)
		return complain(complaint, offset, NULL, "longer than %d characters",
				DOMAIN_LENGTH_MAX);
	for (;;) {
		size_t length = strcspn(at, ".");

		if (!label_is_valid(at, length))
			return complain(complaint, offset + (size_t)(at - name),
					"labels of letters, digits and '-' with dots between them; "
					".debian.org stands for every name below it",
					"'%s' is no domain name", name);
		if (!at[length])
			break;
		at += length + 1;
	}
	if (!last)
		return complain(complaint, offset, NULL, "'%s' is no full name", name);
	if (strspn(last + 1, "0123456789") == strlen(last + 1))
		return complain(complaint, offset, "addresses go to `allow`",
				"'%s' is no domain name", name);
	return 0;
}

int parse_domain(const char *text, char **ret_domain, struct complaint *complaint)
{
	_cleanup_free_ char *domain = text_dup(text);
	size_t length = strlen(domain);
	size_t dot = domain[0] == '.';

	for (char *at = domain; *at; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	if (length > dot + 1 && domain[length - 1] == '.')
		domain[length - 1] = '\0';
	if (check_labels(domain + dot, dot, complaint) < 0)
		return -1;
	*ret_domain = take_ptr(domain);
	return 0;
}

int parse_resolver(const char *text, struct address *ret_address, struct complaint *complaint)
{
	struct address address;

	if (parse_address(text, &address) < 0)
		return complain(complaint, 0, "9.9.9.9, say", "'%s' is no address", text);
	if (in_prefix(&address, "127.0.0.0/8") || in_prefix(&address, "::1/128"))
		return complain(complaint, 0,
				"leave `dns` out: the gateway then asks the host's own resolver",
				"%s is the gateway's own loopback, not the host's", text);
	if (check_target(&address, text, 0, complaint) < 0)
		return -1;
	*ret_address = address;
	return 0;
}
