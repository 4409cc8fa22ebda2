/*
 * What can be said of the data of a wg-quick file without its text: keys, endpoints, where an
 * address would go. And the wiping: a key is to be gone from memory when its variable is.
 */
#include "tunnel/wireguard.h"

#include <string.h>

#include "base/text.h"

#define KEY_TEXT_LENGTH (WIREGUARD_KEY_TEXT_MAX - 1)

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of a base64 digit; no table is indexed by a part of a key. -1 for another character. */
static int digit_value(char digit)
{
	int value = -1;

	for (int i = 0; i < 64; i++)
		value += (i + 1) * (digits[i] == digit);
	return value;
}

/* The digits for three bytes are four; the last group is two bytes, three digits and a '='. */
int wireguard_key_parse(const char *text, size_t length, struct wireguard_key *ret_key)
{
	struct wireguard_key key = {0};
	uint32_t bits = 0;
	unsigned int held = 0;
	size_t at = 0;
	int bad = length != KEY_TEXT_LENGTH || text[length - 1] != '=';

	for (size_t i = 0; !bad && i + 1 < length; i++) {
		int value = digit_value(text[i]);

		bad = value < 0;
		bits = bits << 6 | ((uint32_t)value & 63);
		held += 6;
		if (held >= 8 && at < sizeof(key.bytes)) {
			held -= 8;
			key.bytes[at++] = (uint8_t)(bits >> held);
		}
	}
	bad = bad || (bits & 3) != 0; /* 43 digits are 258 bits: another text of the same key */
	if (!bad)
		*ret_key = key;
	explicit_bzero(&key, sizeof(key));
	explicit_bzero(&bits, sizeof(bits));
	return bad ? -1 : 0;
}

/* The digit of a value, without indexing a table by it. */
static char digit_of(uint32_t value)
{
	int digit = 0;

	for (uint32_t i = 0; i < 64; i++)
		digit += digits[i] * (i == value);
	return (char)digit;
}

char *wireguard_key_format(const struct wireguard_key *key, char *buffer)
{
	size_t at = 0;

	for (size_t i = 0; i < WIREGUARD_KEY_LENGTH; i += 3) {
		uint32_t bits = (uint32_t)key->bytes[i] << 16 | (uint32_t)key->bytes[i + 1] << 8;
		bool whole = i + 2 < WIREGUARD_KEY_LENGTH;

		if (whole)
			bits |= key->bytes[i + 2];
		buffer[at++] = digit_of(bits >> 18 & 63);
		buffer[at++] = digit_of(bits >> 12 & 63);
		buffer[at++] = digit_of(bits >> 6 & 63);
		buffer[at++] = whole ? digit_of(bits & 63) : '=';
	}
	buffer[at] = '\0';
	return buffer;
}

char *wireguard_endpoint_format(const struct wireguard_endpoint *endpoint, char *buffer)
{
	char address[ADDRESS_TEXT_MAX] = "";
	const char *host = endpoint->host;

	buffer[0] = '\0';
	if (!endpoint->port)
		return buffer;
	if (endpoint->address.family)
		host = address_format(&endpoint->address, address);
	snprintf(buffer, WIREGUARD_ENDPOINT_TEXT_MAX, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
		 (unsigned int)endpoint->port);
	return buffer;
}

const struct wireguard_peer *wireguard_unresolved(const struct wireguard *wireguard)
{
	for (size_t i = 0; i < wireguard->peer_count; i++) {
		const struct wireguard_endpoint *endpoint = &wireguard->peers[i].endpoint;

		if (endpoint->port && !endpoint->address.family)
			return &wireguard->peers[i];
	}
	return NULL;
}

bool wireguard_carries(const struct wireguard *wireguard, int family)
{
	bool has_address = false;
	bool has_way = false;

	for (size_t i = 0; i < wireguard->address_count; i++)
		has_address |= wireguard->addresses[i].address.family == family;
	for (size_t i = 0; i < wireguard->allowed_count; i++)
		has_way |= wireguard->allowed[i].prefix.address.family == family;
	return has_address && has_way;
}

bool wireguard_routes(const struct wireguard *wireguard, const struct address *address)
{
	if (!wireguard_carries(wireguard, address->family))
		return false;
	for (size_t i = 0; i < wireguard->allowed_count; i++)
		if (prefix_contains(&wireguard->allowed[i].prefix, address))
			return true;
	return false;
}

void wireguard_done(struct wireguard *wireguard)
{
	explicit_bzero(wireguard, sizeof(*wireguard));
}

void wireguard_text_done(struct strbuf *text)
{
	if (text->text)
		explicit_bzero(text->text, text->room);
	strbuf_done(text);
}
