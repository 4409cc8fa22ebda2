/*
 * The question in a DNS message. The message comes from the guest: every length is checked against
 * what is there, and a compression pointer, which no question needs, ends the reading instead of
 * being followed.
 */
#include "hook/event.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* RFC 1035 §4.1.1 */
#define HEADER_LENGTH	12
#define FLAG_RESPONSE	0x80 /* in the third byte */
#define NAME_LENGTH_MAX 255
#define LABEL_MAX	63

/* The IANA registry "DNS Parameters", as far as people meet them. */
static const struct {
	uint16_t type;
	const char *name;
} types[] = {
	{1, "A"},     {2, "NS"},     {5, "CNAME"},  {6, "SOA"},	   {12, "PTR"},	   {13, "HINFO"},
	{15, "MX"},   {16, "TXT"},   {28, "AAAA"},  {33, "SRV"},   {35, "NAPTR"},  {39, "DNAME"},
	{43, "DS"},   {44, "SSHFP"}, {46, "RRSIG"}, {47, "NSEC"},  {48, "DNSKEY"}, {50, "NSEC3"},
	{52, "TLSA"}, {64, "SVCB"},  {65, "HTTPS"}, {251, "IXFR"}, {252, "AXFR"},  {255, "ANY"},
	{256, "URI"}, {257, "CAA"},
};

const char *dns_type_format(uint16_t type, char text[DNS_TYPE_TEXT_MAX])
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].type == type)
			return types[i].name;
	snprintf(text, DNS_TYPE_TEXT_MAX, "TYPE%u", type);
	return text;
}

int dns_type_parse(const char *text, uint16_t *ret_type)
{
	uint64_t number;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (text_equal(types[i].name, text)) {
			*ret_type = types[i].type;
			return 0;
		}
	if (!text_starts(text, "TYPE") ||
	    parse_number(text + strlen("TYPE"), 0, UINT16_MAX, &number) < 0)
		return -1;
	*ret_type = (uint16_t)number;
	return 0;
}

/* RFC 1035 §5.1: what is not plain in a label is written \DDD. Returns the characters added. */
static size_t add_byte(char *text, uint8_t byte)
{
	if (byte > 0x20 && byte < 0x7f && byte != '.' && byte != '\\' && byte != '"') {
		text[0] = (char)byte;
		return 1;
	}
	text[0] = '\\';
	text[1] = (char)('0' + byte / 100);
	text[2] = (char)('0' + byte / 10 % 10);
	text[3] = (char)('0' + byte % 10);
	return 4;
}

/* Reads the labels from @at on. Returns the place behind them, or 0 when they are not whole. */
static size_t parse_name(const uint8_t *message, size_t length, size_t at,
			 char name[EVENT_NAME_MAX])
{
	const size_t start = at;
	size_t used = 0;

	while (at < length && message[at] != 0) {
		const size_t label = message[at++];

		/* Its own length, this label and the root's: at most 255 bytes, so the text fits.
		 */
		if (label > LABEL_MAX || label > length - at ||
		    at - start + label + 1 > NAME_LENGTH_MAX)
			return 0;
		if (used)
			name[used++] = '.';
		for (const size_t end = at + label; at < end; at++)
			used += add_byte(name + used, message[at]);
	}
	if (at >= length)
		return 0;
	if (!used)
		name[used++] = '.';
	name[used] = '\0';
	return at + 1;
}

int dns_parse_question(const uint8_t *message, size_t length, char name[EVENT_NAME_MAX],
		       uint16_t *ret_type)
{
	char found[EVENT_NAME_MAX];
	size_t at;

	if (length < HEADER_LENGTH || message[2] & FLAG_RESPONSE ||
	    (message[4] == 0 && message[5] == 0))
		return -1;
	at = parse_name(message, length, HEADER_LENGTH, found);
	if (!at || length - at < 4) /* type and class */
		return -1;
	memcpy(name, found, sizeof(found));
	*ret_type = (uint16_t)(message[at] << 8 | message[at + 1]);
	return 0;
}
