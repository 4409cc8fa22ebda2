/*
 * The guest's wire holds two addresses. They come from metadata that anybody in group libvirt may
 * have written, and end up in rules and routes: what is odd about them is refused here.
 */
#include "network/wire.h"

#include <arpa/inet.h>

#include "base/text.h"

static uint32_t host_order(const struct address *address)
{
	return ntohl(address->v4.s_addr);
}

bool wire_is_unicast(const struct address *address)
{
	uint32_t first;

	if (address->family != AF_INET)
		return false;
	first = host_order(address) >> 24;
	return first != 0 && first != 127 && first < 224;
}

struct prefix wire_prefix(const struct wire *wire)
{
	struct prefix prefix = {.address = wire->gateway, .length = wire->length};
	uint32_t mask = wire->length ? UINT32_MAX << (32 - wire->length) : 0;

	prefix.address.v4.s_addr = htonl(host_order(&wire->gateway) & mask);
	return prefix;
}

char *wire_canonical(const struct wire *wire)
{
	char gateway[ADDRESS_TEXT_MAX], guest[ADDRESS_TEXT_MAX], mac[MAC_TEXT_MAX];

	return text_format("%s/%u %s %s", address_format(&wire->gateway, gateway), wire->length,
			   address_format(&wire->guest, guest), mac_format(&wire->guest_mac, mac));
}

static bool is_private(const struct prefix *prefix)
{
	static const char *const ranges[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		struct prefix range;

		if (parse_prefix(ranges[i], &range) == 0 && prefix->length >= range.length &&
		    prefix_contains(&range, &prefix->address))
			return true;
	}
	return false;
}

/* True when @address is in the prefix and neither its network nor its broadcast address. */
static bool is_host_address(const struct prefix *prefix, const struct address *address)
{
	uint32_t host = UINT32_MAX >> prefix->length;
	uint32_t part = host_order(address) & host;

	return prefix_contains(prefix, address) && part != 0 && part != host;
}

static bool is_guest_mac(const struct mac *mac)
{
	struct mac gateway;

	if (parse_mac(GATEWAY_MAC, &gateway) < 0)
		return false;
	return !(mac->octet[0] & 1) && memcmp(mac, &(struct mac){0}, sizeof(*mac)) != 0 &&
	       memcmp(mac, &gateway, sizeof(*mac)) != 0;
}

int wire_validate(const struct wire *wire, struct error *err)
{
	struct prefix prefix;
	char text[MAC_TEXT_MAX];

	if (wire->guest.family != AF_INET || wire->gateway.family != AF_INET)
		return error_set(err, EX_DATAERR, "wire: not IPv4");
	if (wire->length < 8 || wire->length > 30)
		return error_set(err, EX_DATAERR, "wire: prefix length %u", wire->length);
	prefix = wire_prefix(wire);
	if (!is_private(&prefix))
		return error_set(err, EX_DATAERR, "wire: not a private range");
	if (!is_host_address(&prefix, &wire->guest) || !is_host_address(&prefix, &wire->gateway) ||
	    address_equal(&wire->guest, &wire->gateway))
		return error_set(err, EX_DATAERR,
				 "wire: guest and gateway are not two hosts of one network");
	if (!is_guest_mac(&wire->guest_mac))
		return error_set(err, EX_DATAERR, "wire: %s cannot be a guest's MAC address",
				 mac_format(&wire->guest_mac, text));
	return 0;
}
