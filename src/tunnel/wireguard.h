/*
 * A wg-quick file (wireguard.conf) as plain data, and the texts that are made of it.
 *
 * The program reads the user's file, the hook reads what the program staged, both with this parser
 * and neither believing the other. Nothing here touches a file, a clock or the network.
 *
 * Keys lie in here as bytes. Whoever holds a struct wireguard, or a text with keys in it, wipes it:
 * _cleanup_wireguard_, wireguard_wipe_text().
 */
#ifndef TUNNEL_WIREGUARD_H
#define TUNNEL_WIREGUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/parse.h"
#include "base/strbuf.h"

#define WIREGUARD_FILE_MAX     65536 /* bytes */
#define WIREGUARD_PEER_MAX     64
#define WIREGUARD_ALLOWED_MAX  512 /* of all peers together */
#define WIREGUARD_ADDRESS_MAX  16
#define WIREGUARD_DNS_MAX      8
#define WIREGUARD_HOST_MAX     253  /* characters of a host name (RFC 1035 §2.3.4) */
#define WIREGUARD_MTU_MIN      576  /* what every IPv4 host takes (RFC 791 §3.1) */
#define WIREGUARD_MTU_MIN_IPV6 1280 /* what every IPv6 link carries (RFC 8200 §5) */
#define WIREGUARD_MTU_MAX      65535
#define WIREGUARD_MTU_DEFAULT  1420 /* 1500 less the 80 bytes of a tunnel over IPv6 */

#define WIREGUARD_KEY_LENGTH   32
#define WIREGUARD_KEY_TEXT_MAX 45 /* base64 with its NUL */

struct wireguard_key {
	uint8_t bytes[WIREGUARD_KEY_LENGTH];
};

/* Where a peer is reached. */
struct wireguard_endpoint {
	char host[WIREGUARD_HOST_MAX +
		  1];		/* a name that is to be resolved; "": it was an address */
	struct address address; /* family 0: not resolved yet */
	uint16_t port;		/* 0: the peer has no endpoint */
};

struct wireguard_peer {
	struct wireguard_key public_key;
	struct wireguard_key preshared_key;
	bool has_preshared_key;
	struct wireguard_endpoint endpoint;
	uint16_t keepalive; /* seconds; 0: off */
};

/* What is sent to these addresses is sent to this peer; host bits are zero. */
struct wireguard_allowed {
	struct prefix prefix;
	size_t peer; /* index in peers */
};

/* What may stand in a file and has no meaning in a sandbox (docs/tunnel.md). */
struct wireguard_unused {
	bool table, fw_mark, save_config, search_domains;
};

struct wireguard {
	struct wireguard_key private_key;
	uint16_t listen_port;				/* 0: any */
	uint32_t mtu;					/* 0: not named */
	struct prefix addresses[WIREGUARD_ADDRESS_MAX]; /* with their host bits */
	size_t address_count;
	struct address dns[WIREGUARD_DNS_MAX];
	size_t dns_count;
	struct wireguard_peer peers[WIREGUARD_PEER_MAX];
	size_t peer_count;
	/* No prefix twice: where a file names it twice, the last peer has it, as in WireGuard. */
	struct wireguard_allowed allowed[WIREGUARD_ALLOWED_MAX];
	size_t allowed_count;
	struct wireguard_unused unused;
};

/*
 * Reads a file of @length bytes; @name is what errors call it ("NAME:LINE"). EX_DATAERR, with the
 * place but without anything of the line, for there may be a key in it; *ret_wireguard is untouched
 * then. A file that is accepted has a private key, an address, a peer, and no peer twice.
 */
MUST_CHECK int wireguard_parse(const char *text, size_t length, const char *name,
			       struct wireguard *ret_wireguard, struct error *err);

/*
 * The one text of what @wireguard says: parsing it gives the same again, and equal data gives equal
 * bytes. An endpoint is written as its address when it has one. No copy of a key is left behind
 * outside of @output.
 */
void wireguard_write(const struct wireguard *wireguard, struct strbuf *output);

/*
 * What `wg setconf` and `wg syncconf` take: keys, port and peers. With @greet every peer with an
 * endpoint has a keepalive, at which WireGuard begins a handshake although nothing is to be sent;
 * `wg syncconf` with the text without it takes that away again and keeps the session.
 */
void wireguard_write_setconf(const struct wireguard *wireguard, bool greet, struct strbuf *output);

/*
 * SHA-256 in hex over wireguard_write() but for the endpoints, which may be found at other
 * addresses when a saved guest goes on: says that two are the same and, as there are 256 random
 * bits in it, nothing of the key.
 */
#define WIREGUARD_IDENTITY_LENGTH 64
void wireguard_identity(const struct wireguard *wireguard,
			char ret_identity[WIREGUARD_IDENTITY_LENGTH + 1]);
bool wireguard_identity_is_valid(const char *text);

/* The first peer whose endpoint is a name without an address, or NULL. */
const struct wireguard_peer *wireguard_unresolved(const struct wireguard *wireguard);

/* True when the tunnel has an address of @family, and a peer that is sent something of it. */
bool wireguard_carries(const struct wireguard *wireguard, int family);
/* True when @address would be sent to a peer. */
bool wireguard_routes(const struct wireguard *wireguard, const struct address *address);

/* Exactly 44 characters of base64 (RFC 4648 §4) for 32 bytes. Returns 0, or -1. */
MUST_CHECK int wireguard_key_parse(const char *text, size_t length, struct wireguard_key *ret_key);
/* Writes WIREGUARD_KEY_TEXT_MAX bytes; returns @buffer. */
char *wireguard_key_format(const struct wireguard_key *key, char *buffer);

/* "192.0.2.1:51820", "[2001:db8::1]:51820" or "host.example:51820"; "" when there is none. */
#define WIREGUARD_ENDPOINT_TEXT_MAX (WIREGUARD_HOST_MAX + 9)
char *wireguard_endpoint_format(const struct wireguard_endpoint *endpoint, char *buffer);

/* Overwrites everything; also the cleanup of a variable. */
void wireguard_done(struct wireguard *wireguard);
#define _cleanup_wireguard_ _cleanup_(wireguard_done)

/* Overwrites and frees a text with keys in it; also the cleanup of a variable. */
void wireguard_text_done(struct strbuf *text);
#define _cleanup_wireguard_text_ _cleanup_(wireguard_text_done)

#endif
