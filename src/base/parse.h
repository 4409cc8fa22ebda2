/*
 * The strict parsers of single values, one each, used by everything that reads configuration.
 *
 * All are pure, take a whole string (no leading or trailing white space, no sign, no octal) and
 * return 0, or -1 and leave the output untouched.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

/* A decimal number from @min to @max. */
MUST_CHECK int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number);

/* Bytes: a number with an optional suffix K, M, G or T (powers of 1024; also KiB, MiB, …). */
MUST_CHECK int parse_size(const char *text, uint64_t *ret_bytes);

/* Seconds: a number with a suffix s, m, h or d; several may follow, largest first (1h30m). */
MUST_CHECK int parse_duration(const char *text, uint64_t *ret_seconds);

/* A port, 1 to 65535. */
MUST_CHECK int parse_port(const char *text, uint16_t *ret_port);

/* An address of either family; IPv4 in dotted decimal without leading zeros, no scope id. */
struct address {
	int family; /* AF_INET or AF_INET6; 0: none */
	union {
		struct in_addr v4; /* network byte order */
		struct in6_addr v6;
	};
};

struct prefix {
	struct address address;
	unsigned int length; /* bits; 0 to 32 or 128 */
};

#define ADDRESS_TEXT_MAX INET6_ADDRSTRLEN
#define PREFIX_TEXT_MAX	 (INET6_ADDRSTRLEN + 4)

MUST_CHECK int parse_address(const char *text, struct address *ret_address);
/* ADDRESS/LENGTH; a bare address gets the full length. Host bits are kept as written. */
MUST_CHECK int parse_prefix(const char *text, struct prefix *ret_prefix);
/* Write the text into @buffer, which holds at least ADDRESS_TEXT_MAX or PREFIX_TEXT_MAX bytes;
 * return it. */
char *address_format(const struct address *address, char *buffer);
char *prefix_format(const struct prefix *prefix, char *buffer);
bool address_equal(const struct address *a, const struct address *b);
/*
 * True when two sockets cannot be bound to the same port of both: they are the same, or one is the
 * wildcard of its family. The IPv6 wildcard may cover IPv4 as well (ipv6(7), IPV6_V6ONLY).
 */
bool address_binds_collide(const struct address *a, const struct address *b);
/* The address's bytes as they are on the wire, and how many: 4 or 16. */
const uint8_t *address_bytes(const struct address *address);
unsigned int address_size(const struct address *address);
/* True when @address lies in @prefix (same family, same leading bits). */
bool prefix_contains(const struct prefix *prefix, const struct address *address);
/* True when the two prefixes share an address. */
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);

/* Six octets as lower-case or upper-case hex with colons. */
#define MAC_LENGTH   6
#define MAC_TEXT_MAX 18
struct mac {
	uint8_t octet[MAC_LENGTH];
};
MUST_CHECK int parse_mac(const char *text, struct mac *ret_mac);
char *mac_format(const struct mac *mac, char *buffer);

/* A sandbox name: [a-z0-9]([a-z0-9-]{0,29}[a-z0-9])?, at most NAME_MAX_LENGTH characters. */
#define NAME_MAX_LENGTH 31
bool name_is_valid(const char *name);

/* A UUID in its 36-character lower-case form (RFC 9562 §4). */
#define UUID_TEXT_LENGTH 36
bool uuid_is_valid(const char *text);

#endif
