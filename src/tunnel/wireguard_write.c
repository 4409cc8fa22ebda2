/*
 * The texts that are made of a tunnel's data: the canonical one, which the program hands to the
 * root side and which a sandbox's tunnel is known by, and the one that `wg` takes.
 *
 * They hold keys. The room is reserved before the first byte, for a buffer that grows leaves its
 * old bytes behind in memory that nobody wipes.
 */
#include "tunnel/wireguard.h"

#include <openssl/evp.h>

#include "base/text.h"

#define GREET_SECONDS 25 /* any number; nobody waits for the second one */

/* More than the text needs. */
static size_t text_bound(const struct wireguard *wireguard)
{
	return 256 + 2 * WIREGUARD_KEY_TEXT_MAX +
	       64 * (wireguard->address_count + wireguard->dns_count + wireguard->allowed_count) +
	       (256 + 2 * WIREGUARD_KEY_TEXT_MAX + WIREGUARD_ENDPOINT_TEXT_MAX) *
		       wireguard->peer_count;
}

static void add_key(struct strbuf *output, const char *name, const struct wireguard_key *key)
{
	char text[WIREGUARD_KEY_TEXT_MAX];

	strbuf_add_text(output, name);
	strbuf_add_text(output, " = ");
	strbuf_add_text(output, wireguard_key_format(key, text));
	strbuf_add_char(output, '\n');
	explicit_bzero(text, sizeof(text));
}

static void add_number(struct strbuf *output, const char *name, unsigned int number)
{
	if (number)
		strbuf_addf(output, "%s = %u\n", name, number);
}

static void add_allowed(struct strbuf *output, const struct wireguard *wireguard, size_t peer)
{
	char text[PREFIX_TEXT_MAX];
	const char *before = "AllowedIPs = ";

	for (size_t i = 0; i < wireguard->allowed_count; i++) {
		if (wireguard->allowed[i].peer != peer)
			continue;
		strbuf_add_text(output, before);
		strbuf_add_text(output, prefix_format(&wireguard->allowed[i].prefix, text));
		before = ", ";
	}
	if (*before == ',')
		strbuf_add_char(output, '\n');
}

enum peers {
	PEERS_AS_READ,
	PEERS_GREETED,
	PEERS_ANYWHERE, /* without their endpoints */
};

static void add_endpoint(struct strbuf *output, const struct wireguard_endpoint *endpoint)
{
	char text[WIREGUARD_ENDPOINT_TEXT_MAX];

	if (endpoint->port)
		strbuf_addf(output, "Endpoint = %s\n", wireguard_endpoint_format(endpoint, text));
}

static void add_peers(struct strbuf *output, const struct wireguard *wireguard, enum peers how)
{

	for (size_t i = 0; i < wireguard->peer_count; i++) {
		const struct wireguard_peer *peer = &wireguard->peers[i];

		strbuf_add_text(output, "\n[Peer]\n");
		add_key(output, "PublicKey", &peer->public_key);
		if (peer->has_preshared_key)
			add_key(output, "PresharedKey", &peer->preshared_key);
		if (how != PEERS_ANYWHERE)
			add_endpoint(output, &peer->endpoint);
		add_allowed(output, wireguard, i);
		if (how == PEERS_GREETED && peer->endpoint.port && !peer->keepalive)
			add_number(output, "PersistentKeepalive", GREET_SECONDS);
		add_number(output, "PersistentKeepalive", peer->keepalive);
	}
}

static void begin(struct strbuf *output, const struct wireguard *wireguard)
{
	strbuf_reserve(output, text_bound(wireguard));
	strbuf_add_text(output, "[Interface]\n");
	add_key(output, "PrivateKey", &wireguard->private_key);
	add_number(output, "ListenPort", wireguard->listen_port);
}

static void add_all(struct strbuf *output, const struct wireguard *wireguard, enum peers how)
{
	char text[PREFIX_TEXT_MAX];

	begin(output, wireguard);
	add_number(output, "MTU", wireguard->mtu);
	for (size_t i = 0; i < wireguard->address_count; i++)
		strbuf_addf(output, "Address = %s\n",
			    prefix_format(&wireguard->addresses[i], text));
	for (size_t i = 0; i < wireguard->dns_count; i++)
		strbuf_addf(output, "DNS = %s\n", address_format(&wireguard->dns[i], text));
	add_peers(output, wireguard, how);
}

void wireguard_write(const struct wireguard *wireguard, struct strbuf *output)
{
	add_all(output, wireguard, PEERS_AS_READ);
}

void wireguard_write_setconf(const struct wireguard *wireguard, bool greet, struct strbuf *output)
{
	begin(output, wireguard);
	add_peers(output, wireguard, greet ? PEERS_GREETED : PEERS_AS_READ);
}

void wireguard_identity(const struct wireguard *wireguard,
			char ret_identity[WIREGUARD_IDENTITY_LENGTH + 1])
{
	_cleanup_wireguard_text_ struct strbuf text = STRBUF_INIT;
	unsigned char digest[WIREGUARD_IDENTITY_LENGTH / 2];
	unsigned int length = 0;

	add_all(&text, wireguard, PEERS_ANYWHERE);
	if (EVP_Digest(text.text, text.length, digest, &length, EVP_sha256(), NULL) != 1 ||
	    length != sizeof(digest))
		abort(); /* it needs nothing but memory */
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(ret_identity + 2 * i, 3, "%02x", digest[i]);
}

bool wireguard_identity_is_valid(const char *text)
{
	return strlen(text) == WIREGUARD_IDENTITY_LENGTH &&
	       strspn(text, "0123456789abcdef") == WIREGUARD_IDENTITY_LENGTH;
}
