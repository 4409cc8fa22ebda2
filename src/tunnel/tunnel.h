/*
 * What of a tunnel is no secret: this stands in a domain's metadata, and the rules are made of it.
 */
#ifndef TUNNEL_TUNNEL_H
#define TUNNEL_TUNNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/parse.h"
#include "base/strbuf.h"

#define TUNNEL_IDENTITY_LENGTH 64
#define TUNNEL_ADDRESS_MAX     16
#define TUNNEL_DNS_MAX	       8
#define TUNNEL_MTU_MIN	       576 /* what every IPv4 host takes (RFC 791 §3.1) */
#define TUNNEL_MTU_MIN_IPV6    1280
#define TUNNEL_MTU_MAX	       65535

#define TUNNEL_LINK "mgw" /* interface names: this and eight hex digits of the UUID */

struct tunnel {
	char identity[TUNNEL_IDENTITY_LENGTH + 1]; /* of its configuration; "": no tunnel */
	uint32_t mtu;
	struct prefix addresses[TUNNEL_ADDRESS_MAX];
	size_t address_count;
	struct address dns[TUNNEL_DNS_MAX];
	size_t dns_count;
};

bool tunnel_is_set(const struct tunnel *tunnel);

/* Whether these are facts of that configuration: its identity, its addresses, and of its resolvers
 * some. */
struct wireguard;
bool tunnel_matches(const struct tunnel *tunnel, const struct wireguard *wireguard);

/*
 * EX_DATAERR, naming what, unless the rules can be made of it: an identity, at least one address,
 * and only addresses that one host can have. No tunnel at all is fine. Pure.
 */
MUST_CHECK int tunnel_validate(const struct tunnel *tunnel, struct error *err);

/*
 * The first address of @family, under which the guest leaves; NULL: the tunnel has no such, or no
 * room for it (IPv6 below an MTU of 1280). Borrowed.
 */
const struct address *tunnel_address(const struct tunnel *tunnel, int family);

/* One text by which two tunnels are compared, a line for everything; "" without a tunnel. */
void tunnel_canonical(const struct tunnel *tunnel, struct strbuf *output);
bool tunnel_equal(const struct tunnel *a, const struct tunnel *b);

#endif
