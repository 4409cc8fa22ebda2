/*
 * The public facts of a tunnel. They come out of metadata that anybody in group libvirt may have
 * written, and go into rules: so they are judged here, whatever the program has checked before.
 */
#include "tunnel/tunnel.h"

#include <arpa/inet.h>
#include <assert.h>

#include "base/text.h"
#include "tunnel/wireguard.h"

#define BAD EX_DATAERR

static bool in_prefix(const struct address *address, const char *text)
{
	struct prefix prefix;

	return parse_prefix(text, &prefix) == 0 && prefix_contains(&prefix, address);
}

/* One machine's, and not of a kind that only means something on a link or to the machine itself. */
static bool is_unicast(const struct address *address)
{
	static const char *const none[] = {
		"0.0.0.0/8",   "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4",
		"240.0.0.0/4", "::/8",	      "fe80::/10",	"ff00::/8",
	};

	if (address->family != AF_INET && address->family != AF_INET6)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		if (in_prefix(address, none[i]))
			return false;
	return true;
}

bool tunnel_is_set(const struct tunnel *tunnel)
{
	return *tunnel->identity;
}

static bool has_resolver(const struct wireguard *wireguard, const struct address *resolver)
{
	for (size_t i = 0; i < wireguard->dns_count; i++)
		if (address_equal(&wireguard->dns[i], resolver))
			return true;
	return false;
}

static bool has_addresses(const struct tunnel *tunnel, const struct wireguard *wireguard)
{
	if (tunnel->address_count != wireguard->address_count)
		return false;
	for (size_t i = 0; i < tunnel->address_count; i++)
		if (tunnel->addresses[i].length != wireguard->addresses[i].length ||
		    !address_equal(&tunnel->addresses[i].address, &wireguard->addresses[i].address))
			return false;
	return true;
}

bool tunnel_matches(const struct tunnel *tunnel, const struct wireguard *wireguard)
{
	char identity[WIREGUARD_IDENTITY_LENGTH + 1];

	static_assert(TUNNEL_IDENTITY_LENGTH == WIREGUARD_IDENTITY_LENGTH, "the same digest");
	wireguard_identity(wireguard, identity);
	for (size_t i = 0; i < tunnel->dns_count; i++)
		if (!has_resolver(wireguard, &tunnel->dns[i]))
			return false;
	return text_equal(identity, tunnel->identity) && has_addresses(tunnel, wireguard) &&
	       (!wireguard->mtu || wireguard->mtu == tunnel->mtu);
}

static int check_address(const struct address *address, struct error *err)
{
	char text[ADDRESS_TEXT_MAX];

	if (is_unicast(address))
		return 0;
	return error_set(err, BAD, "a tunnel cannot have the address %s",
			 address->family ? address_format(address, text) : "of no family");
}

int tunnel_validate(const struct tunnel *tunnel, struct error *err)
{
	if (!tunnel_is_set(tunnel))
		return 0;
	if (!wireguard_identity_is_valid(tunnel->identity))
		return error_set(err, BAD, "the tunnel's identity is not valid");
	if (tunnel->mtu < TUNNEL_MTU_MIN || tunnel->mtu > TUNNEL_MTU_MAX)
		return error_set(err, BAD, "the tunnel's MTU is not from %d to %d", TUNNEL_MTU_MIN,
				 TUNNEL_MTU_MAX);
	if (!tunnel->address_count || tunnel->address_count > TUNNEL_ADDRESS_MAX ||
	    tunnel->dns_count > TUNNEL_DNS_MAX)
		return error_set(err, BAD, "the tunnel has no address, or too many");
	for (size_t i = 0; i < tunnel->address_count; i++)
		if (check_address(&tunnel->addresses[i].address, err) < 0)
			return -1;
	for (size_t i = 0; i < tunnel->dns_count; i++)
		if (check_address(&tunnel->dns[i], err) < 0)
			return -1;
	return 0;
}

const struct address *tunnel_address(const struct tunnel *tunnel, int family)
{
	if (family == AF_INET6 && tunnel->mtu < TUNNEL_MTU_MIN_IPV6)
		return NULL;
	for (size_t i = 0; i < tunnel->address_count; i++)
		if (tunnel->addresses[i].address.family == family)
			return &tunnel->addresses[i].address;
	return NULL;
}

void tunnel_canonical(const struct tunnel *tunnel, struct strbuf *output)
{
	char text[PREFIX_TEXT_MAX];

	if (!tunnel_is_set(tunnel))
		return;
	strbuf_addf(output, "tunnel %s\nmtu %u\n", tunnel->identity, tunnel->mtu);
	for (size_t i = 0; i < tunnel->address_count; i++)
		strbuf_addf(output, "address %s\n", prefix_format(&tunnel->addresses[i], text));
	for (size_t i = 0; i < tunnel->dns_count; i++)
		strbuf_addf(output, "dns %s\n", address_format(&tunnel->dns[i], text));
}

bool tunnel_equal(const struct tunnel *a, const struct tunnel *b)
{
	_cleanup_strbuf_ struct strbuf one = STRBUF_INIT, other = STRBUF_INIT;

	tunnel_canonical(a, &one);
	tunnel_canonical(b, &other);
	return text_equal(strbuf_text(&one), strbuf_text(&other));
}
