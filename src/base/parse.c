/*
 * Strict value parsers. strtoul() and inet_aton() accept signs, white space, octal and short forms,
 * which is how a policy comes to mean something else than its author wrote; these do not.
 */
#include "base/parse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Reads digits at *@at and moves it behind them. No leading zero but in "0" itself. */
static int read_digits(const char **at, uint64_t *ret_number)
{
	const char *start = *at;
	const char *p = start;
	uint64_t number = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*p - '0'), &number))
			return -1;
	if (p == start || (*start == '0' && p - start > 1))
		return -1;
	*at = p;
	*ret_number = number;
	return 0;
}

int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number)
{
	uint64_t number;

	if (read_digits(&text, &number) < 0 || *text || number < min || number > max)
		return -1;
	*ret_number = number;
	return 0;
}

int parse_size(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	uint64_t number;
	unsigned int shift = 0;

	if (read_digits(&text, &number) < 0)
		return -1;
	if (*text) {
		unit = strchr(units, *text);
		if (!unit || (text[1] && !text_equal(text + 1, "iB")))
			return -1;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (number > UINT64_MAX >> shift)
		return -1;
	*ret_bytes = number << shift;
	return 0;
}

int parse_duration(const char *text, uint64_t *ret_seconds)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
	size_t next = 0;
	uint64_t total = 0;
	uint64_t number;

	do {
		if (read_digits(&text, &number) < 0)
			return -1;
		while (next < ARRAY_SIZE(units) && units[next].unit != *text)
			next++;
		if (next == ARRAY_SIZE(units) ||
		    __builtin_mul_overflow(number, units[next].seconds, &number) ||
		    __builtin_add_overflow(total, number, &total))
			return -1;
		next++;
		text++;
	} while (*text);
	*ret_seconds = total;
	return 0;
}

int parse_port(const char *text, uint16_t *ret_port)
{
	uint64_t number;

	if (parse_number(text, 1, UINT16_MAX, &number) < 0)
		return -1;
	*ret_port = (uint16_t)number;
	return 0;
}

int parse_address(const char *text, struct address *ret_address)
{
	struct address address = {0};

	if (inet_pton(AF_INET, text, &address.v4) == 1)
		address.family = AF_INET;
	else if (inet_pton(AF_INET6, text, &address.v6) == 1)
		address.family = AF_INET6;
	else
		return -1;
	*ret_address = address;
	return 0;
}

static unsigned int family_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

int parse_prefix(const char *text, struct prefix *ret_prefix)
{
	const char *slash = strchr(text, '/');
	_cleanup_free_ char *address =
		text_dup_n(text, slash ? (size_t)(slash - text) : strlen(text));
	struct prefix prefix = {0};
	uint64_t length;

	if (parse_address(address, &prefix.address) < 0)
		return -1;
	length = family_bits(prefix.address.family);
	if (slash && parse_number(slash + 1, 0, length, &length) < 0)
		return -1;
	prefix.length = (unsigned int)length;
	*ret_prefix = prefix;
	return 0;
}

char *address_format(const struct address *address, char *buffer)
{
	const void *bytes = address->family == AF_INET6 ? (const void *)&address->v6
							: (const void *)&address->v4;

	if (!inet_ntop(address->family, bytes, buffer, ADDRESS_TEXT_MAX))
		buffer[0] = '\0';
	return buffer;
}

char *prefix_format(const struct prefix *prefix, char *buffer)
{
	size_t length;

	address_format(&prefix->address, buffer);
	length = strlen(buffer);
	snprintf(buffer + length, PREFIX_TEXT_MAX - length, "/%u", prefix->length);
	return buffer;
}

const uint8_t *address_bytes(const struct address *address)
{
	return address->family == AF_INET6 ? address->v6.s6_addr : (const uint8_t *)&address->v4;
}

unsigned int address_size(const struct address *address)
{
	return family_bits(address->family) / 8;
}

static bool leading_bits_equal(const struct address *a, const struct address *b, unsigned int bits)
{
	const uint8_t *left = address_bytes(a);
	const uint8_t *right = address_bytes(b);
	unsigned int rest = bits % 8;

	if (a->family != b->family || memcmp(left, right, bits / 8) != 0)
		return false;
	return !rest || (left[bits / 8] ^ right[bits / 8]) >> (8 - rest) == 0;
}

bool address_equal(const struct address *a, const struct address *b)
{
	return leading_bits_equal(a, b, family_bits(a->family));
}

/* True when whoever is bound to @wildcard is reached at @other as well. */
static bool is_wildcard_over(const struct address *wildcard, const struct address *other)
{
	if (wildcard->family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&wildcard->v6);
	return wildcard->v4.s_addr == INADDR_ANY && other->family == AF_INET;
}

bool address_binds_collide(const struct address *a, const struct address *b)
{
	return address_equal(a, b) || is_wildcard_over(a, b) || is_wildcard_over(b, a);
}

bool prefix_contains(const struct prefix *prefix, const struct address *address)
{
	return leading_bits_equal(&prefix->address, address, prefix->length);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	unsigned int shorter = a->length < b->length ? a->length : b->length;

	return leading_bits_equal(&a->address, &b->address, shorter);
}

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

int parse_mac(const char *text, struct mac *ret_mac)
{
	struct mac mac;

	if (strlen(text) != 3 * MAC_LENGTH - 1)
		return -1;
	for (size_t i = 0; i < MAC_LENGTH; i++) {
		int high = hex_value(text[3 * i]);
		int low = hex_value(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i + 1 < MAC_LENGTH && text[3 * i + 2] != ':'))
			return -1;
		mac.octet[i] = (uint8_t)(high << 4 | low);
	}
	*ret_mac = mac;
	return 0;
}

char *mac_format(const struct mac *mac, char *buffer)
{
	const uint8_t *o = mac->octet;

	snprintf(buffer, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", o[0], o[1], o[2], o[3],
		 o[4], o[5]);
	return buffer;
}

static bool is_name_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool name_is_valid(const char *name)
{
	size_t length = strnlen(name, NAME_MAX_LENGTH + 1);

	if (!length || length > NAME_MAX_LENGTH)
		return false;
	for (size_t i = 0; i < length; i++) {
		bool inside = i > 0 && i + 1 < length;

		if (!is_name_character(name[i]) && !(inside && name[i] == '-'))
			return false;
	}
	return true;
}

bool uuid_is_valid(const char *text)
{
	if (strnlen(text, UUID_TEXT_LENGTH + 1) != UUID_TEXT_LENGTH)
		return false;
	for (size_t i = 0; i < UUID_TEXT_LENGTH; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-'
			 : hex_value(text[i]) < 0 || isupper((unsigned char)text[i]))
			return false;
	}
	return true;
}
