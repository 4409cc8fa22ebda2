/*
 * Reading single values of a wg-quick file. A value may be a key, in its own place or by mistake in
 * another's, so nothing here says what it was: complaints are constants, and what had to be copied
 * is wiped.
 */
#include "tunnel/wireguard_values.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

#define WORD_MAX 64 /* longer than every value but a host name and a list */

static const char spaces[] = " \t\r\v\f";

static bool is_space(char c)
{
	return c && strchr(spaces, c);
}

struct slice slice_trim(struct slice slice)
{
	while (slice.length && is_space(slice.at[0])) {
		slice.at++;
		slice.length--;
	}
	while (slice.length && is_space(slice.at[slice.length - 1]))
		slice.length--;
	return slice;
}

bool slice_is(struct slice slice, const char *text)
{
	return slice.length == strlen(text) && strncasecmp(slice.at, text, slice.length) == 0;
}

struct slice slice_split(struct slice *rest, char character)
{
	const char *found = memchr(rest->at, character, rest->length);
	struct slice first = *rest;

	if (!found) {
		*rest = (struct slice){.at = rest->at + rest->length};
		return first;
	}
	first.length = (size_t)(found - rest->at);
	rest->at += first.length + 1;
	rest->length -= first.length + 1;
	return first;
}

/* A copy that the strict parsers of base/ can read; "" (which none of them takes) when too long. */
struct word {
	char text[WORD_MAX];
};

static void word_done(struct word *word)
{
	explicit_bzero(word, sizeof(*word));
}
#define _cleanup_word_ _cleanup_(word_done)

static struct word word_of(struct slice slice)
{
	struct word word = {0};

	if (slice.length < sizeof(word.text))
		memcpy(word.text, slice.at, slice.length);
	return word;
}

static struct wireguard_peer *last_peer(struct wireguard *wireguard)
{
	return &wireguard->peers[wireguard->peer_count - 1];
}

static bool is_zero(const struct wireguard_key *key)
{
	uint8_t any = 0;

	for (size_t i = 0; i < sizeof(key->bytes); i++)
		any |= key->bytes[i];
	return !any;
}

static const char *read_key(struct slice value, struct wireguard_key *ret_key)
{
	if (wireguard_key_parse(value.at, value.length, ret_key) < 0)
		return "a key is 44 characters of base64";
	return NULL;
}

const char *value_private_key(struct slice value, struct wireguard *wireguard)
{
	const char *bad = read_key(value, &wireguard->private_key);

	return !bad && is_zero(&wireguard->private_key) ? "a key of zeros is none" : bad;
}

const char *value_public_key(struct slice value, struct wireguard *wireguard)
{
	struct wireguard_key *key = &last_peer(wireguard)->public_key;
	const char *bad = read_key(value, key);

	if (bad)
		return bad;
	if (is_zero(key))
		return "a key of zeros is none";
	for (size_t i = 0; i + 1 < wireguard->peer_count; i++)
		if (memcmp(&wireguard->peers[i].public_key, key, sizeof(*key)) == 0)
			return "another [Peer] has the same key";
	return NULL;
}

const char *value_preshared_key(struct slice value, struct wireguard *wireguard)
{
	struct wireguard_peer *peer = last_peer(wireguard);
	const char *bad = read_key(value, &peer->preshared_key);

	/* Zeros are how WireGuard says that there is none. */
	peer->has_preshared_key = !bad && !is_zero(&peer->preshared_key);
	return bad;
}

/* The next word of a list as wg-quick reads it, between commas and white space; "" at the end. */
static struct slice next_word(struct slice *rest)
{
	struct slice word;

	while (rest->length && (is_space(rest->at[0]) || rest->at[0] == ',')) {
		rest->at++;
		rest->length--;
	}
	word = (struct slice){.at = rest->at};
	while (rest->length && !is_space(rest->at[0]) && rest->at[0] != ',') {
		rest->at++;
		rest->length--;
		word.length++;
	}
	return word;
}

static bool in_prefix(const struct address *address, const char *text)
{
	struct prefix prefix;

	return parse_prefix(text, &prefix) == 0 && prefix_contains(&prefix, address);
}

/* One machine's, and not of a kind that only means something on a link or to the machine itself. */
static bool is_host(const struct address *address)
{
	static const char *const none[] = {
		"0.0.0.0/8",   "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4",
		"240.0.0.0/4", "::/8",	      "fe80::/10",	"ff00::/8",
	};

	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		if (in_prefix(address, none[i]))
			return false;
	return true;
}

static bool has_address(const struct wireguard *wireguard, const struct address *address)
{
	for (size_t i = 0; i < wireguard->address_count; i++)
		if (address_equal(&wireguard->addresses[i].address, address))
			return true;
	return false;
}

const char *value_addresses(struct slice value, struct wireguard *wireguard)
{
	for (struct slice item = next_word(&value); item.length; item = next_word(&value)) {
		_cleanup_word_ struct word word = word_of(item);
		struct prefix prefix;

		if (parse_prefix(word.text, &prefix) < 0)
			return "Address takes addresses, each with or without /LENGTH";
		if (!is_host(&prefix.address))
			return "no host can have this address";
		if (has_address(wireguard, &prefix.address))
			return "the address stands there twice";
		if (wireguard->address_count == WIREGUARD_ADDRESS_MAX)
			return "too many addresses";
		wireguard->addresses[wireguard->address_count++] = prefix;
	}
	return NULL;
}

/* As wg-quick tells them apart. */
static bool is_search_domain(struct slice item)
{
	bool number = true;

	for (size_t i = 0; i < item.length; i++) {
		char c = item.at[i];

		if (c == ':')
			return false;
		number = number && ((c >= '0' && c <= '9') || c == '.');
	}
	return !number;
}

static bool is_host_name(struct slice name)
{
	size_t label = 0;

	if (!name.length || name.length > WIREGUARD_HOST_MAX)
		return false;
	for (size_t i = 0; i < name.length; i++) {
		char c = name.at[i];
		bool alnum =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (c == '.' ? !label : !alnum && c != '_' && (c != '-' || !label))
			return false;
		label = c == '.' ? 0 : label + 1;
		if (label > 63)
			return false;
	}
	return true;
}

static const char *read_dns(struct slice item, struct wireguard *wireguard)
{
	_cleanup_word_ struct word word = word_of(item);
	struct address address;

	if (is_search_domain(item)) {
		wireguard->unused.search_domains = true;
		return is_host_name(item) ? NULL : "DNS takes addresses and names of domains";
	}
	if (parse_address(word.text, &address) < 0)
		return "DNS takes addresses and names of domains";
	if (!is_host(&address))
		return "no resolver can have this address";
	for (size_t i = 0; i < wireguard->dns_count; i++)
		if (address_equal(&wireguard->dns[i], &address))
			return NULL;
	if (wireguard->dns_count == WIREGUARD_DNS_MAX)
		return "too many resolvers";
	wireguard->dns[wireguard->dns_count++] = address;
	return NULL;
}

const char *value_dns(struct slice value, struct wireguard *wireguard)
{
	const char *bad = NULL;

	for (struct slice item = next_word(&value); item.length && !bad; item = next_word(&value))
		bad = read_dns(item, wireguard);
	return bad;
}

const char *value_mtu(struct slice value, struct wireguard *wireguard)
{
	_cleanup_word_ struct word word = word_of(value);
	uint64_t number;

	if (parse_number(word.text, WIREGUARD_MTU_MIN, WIREGUARD_MTU_MAX, &number) < 0)
		return "MTU is a number from 576 to 65535";
	wireguard->mtu = (uint32_t)number;
	return NULL;
}

const char *value_listen_port(struct slice value, struct wireguard *wireguard)
{
	_cleanup_word_ struct word word = word_of(value);
	uint64_t number;

	if (parse_number(word.text, 0, UINT16_MAX, &number) < 0)
		return "ListenPort is a number from 0 to 65535";
	/* The socket is the root side's: it would get what the user himself may not bind. */
	if (number && number < 1024)
		return "ListenPort below 1024 is not for users";
	wireguard->listen_port = (uint16_t)number;
	return NULL;
}

/* Decimal, or hexadecimal with 0x, of 32 bits. */
static bool is_mark(const char *text)
{
	uint64_t number;

	if (text_starts(text, "0x") || text_starts(text, "0X"))
		return text[2] && strlen(text) <= 10 &&
		       strspn(text + 2, "0123456789abcdefABCDEF") == strlen(text + 2);
	return parse_number(text, 0, UINT32_MAX, &number) == 0;
}

const char *value_fw_mark(struct slice value, struct wireguard *wireguard)
{
	_cleanup_word_ struct word word = word_of(value);

	if (!slice_is(value, "off") && !is_mark(word.text))
		return "FwMark is a number or off";
	wireguard->unused.fw_mark = true;
	return NULL;
}

const char *value_table(struct slice value, struct wireguard *wireguard)
{
	for (size_t i = 0; i < value.length; i++)
		if (is_space(value.at[i]))
			return "Table is a number, off or auto";
	if (!value.length || value.length > 32)
		return "Table is a number, off or auto";
	wireguard->unused.table = true;
	return NULL;
}

const char *value_save_config(struct slice value, struct wireguard *wireguard)
{
	if (!slice_is(value, "true") && !slice_is(value, "false"))
		return "SaveConfig is true or false";
	wireguard->unused.save_config = true;
	return NULL;
}

const char *value_command(struct slice value, struct wireguard *wireguard)
{
	(void)value;
	(void)wireguard;
	return "commands for the host are never executed: remove the line";
}

/* Clears what is behind the prefix, as WireGuard does. */
static void mask(struct prefix *prefix)
{
	uint8_t *bytes = prefix->address.family == AF_INET6 ? prefix->address.v6.s6_addr
							    : (uint8_t *)&prefix->address.v4;

	for (unsigned int bit = prefix->length; bit < 8 * address_size(&prefix->address); bit++)
		bytes[bit / 8] &= (uint8_t) ~(0x80U >> bit % 8);
}

/* A prefix belongs to one peer: the last that names it. */
static const char *allow(const struct prefix *prefix, struct wireguard *wireguard)
{
	size_t at = 0;

	while (at < wireguard->allowed_count) {
		const struct prefix *other = &wireguard->allowed[at].prefix;

		if (other->length == prefix->length &&
		    address_equal(&other->address, &prefix->address))
			break;
		at++;
	}
	if (at == WIREGUARD_ALLOWED_MAX)
		return "too many AllowedIPs in the file";
	if (at < wireguard->allowed_count)
		memmove(&wireguard->allowed[at], &wireguard->allowed[at + 1],
			(wireguard->allowed_count - at - 1) * sizeof(wireguard->allowed[0]));
	else
		wireguard->allowed_count++;
	wireguard->allowed[wireguard->allowed_count - 1] = (struct wireguard_allowed){
		.prefix = *prefix,
		.peer = wireguard->peer_count - 1,
	};
	return NULL;
}

const char *value_allowed(struct slice value, struct wireguard *wireguard)
{
	const char *bad = NULL;

	for (bool more = value.length; more && !bad;) {
		_cleanup_word_ struct word word = {0};
		struct prefix prefix;

		more = memchr(value.at, ',', value.length) != NULL;
		word = word_of(slice_trim(slice_split(&value, ',')));
		if (parse_prefix(word.text, &prefix) < 0)
			return "AllowedIPs takes ADDRESS/LENGTH, with commas between";
		mask(&prefix);
		bad = allow(&prefix, wireguard);
	}
	return bad;
}

#define ENDPOINT_FORM "Endpoint is HOST:PORT, ADDRESS:PORT or [IPv6 ADDRESS]:PORT"

/* The host of an endpoint, out of its brackets; *rest is the port afterwards. */
static struct slice split_host(struct slice *rest, bool *ret_bracketed)
{
	struct slice host;

	*ret_bracketed = rest->length && rest->at[0] == '[';
	if (!*ret_bracketed)
		return slice_split(rest, ':');
	slice_split(rest, '[');
	host = slice_split(rest, ']');
	if (slice_split(rest, ':').length)
		rest->length = 0;
	return host;
}

static bool is_digits_and_dots(struct slice slice)
{
	for (size_t i = 0; i < slice.length; i++)
		if (!strchr("0123456789.", slice.at[i]))
			return false;
	return true;
}

static const char *read_host(struct slice host, bool bracketed, struct wireguard_endpoint *endpoint)
{
	_cleanup_word_ struct word word = word_of(host);

	if (parse_address(word.text, &endpoint->address) == 0)
		return (endpoint->address.family == AF_INET6) == bracketed ? NULL : ENDPOINT_FORM;
	if (bracketed || !is_host_name(host) || is_digits_and_dots(host))
		return ENDPOINT_FORM;
	memcpy(endpoint->host, host.at, host.length);
	return NULL;
}

/* The host itself may be named: a proxy that carries WireGuard in something else listens there. */
static bool is_destination(const struct address *address)
{
	if (address->family == AF_INET6)
		return !IN6_IS_ADDR_UNSPECIFIED(&address->v6) &&
		       !IN6_IS_ADDR_MULTICAST(&address->v6);
	return address_bytes(address)[0] != 0 && address_bytes(address)[0] < 224;
}

const char *value_endpoint(struct slice value, struct wireguard *wireguard)
{
	struct wireguard_endpoint endpoint = {0};
	bool bracketed;
	struct slice host = split_host(&value, &bracketed);
	_cleanup_word_ struct word port = word_of(value);
	const char *bad = read_host(host, bracketed, &endpoint);

	if (bad)
		return bad;
	if (endpoint.address.family && !is_destination(&endpoint.address))
		return "no peer can be reached at this address";
	if (parse_port(port.text, &endpoint.port) < 0)
		return "the endpoint's port is a number from 1 to 65535";
	last_peer(wireguard)->endpoint = endpoint;
	return NULL;
}

const char *value_keepalive(struct slice value, struct wireguard *wireguard)
{
	_cleanup_word_ struct word word = word_of(value);
	uint64_t number = 0;

	if (!slice_is(value, "off") && parse_number(word.text, 0, UINT16_MAX, &number) < 0)
		return "PersistentKeepalive is a number of seconds up to 65535, or off";
	last_peer(wireguard)->keepalive = (uint16_t)number;
	return NULL;
}
