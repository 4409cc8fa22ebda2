/*
 * The steps of `up` that have to do with the tunnel. The program reads the file, finds the peers
 * and hands all of it to root; root makes the interface when libvirt calls the hook. Before the
 * guest's first instruction the peer has answered, or there is no guest.
 */
#include "command/up.h"

#include <poll.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"
#include "command/helper.h"
#include "command/policy_state.h"
#include "command/tunnel_file.h"
#include "command/tunnel_state.h"
#include "domain/list.h"
#include "network/host.h"
#include "network/wire.h"

#define HANDSHAKE_SECONDS 15 /* WireGuard begins a new one every five, when none is answered */
#define HANDSHAKE_LOOK_MS 200

static const char *file_of(const struct up *up)
{
	return up->project.config.wireguard;
}

/* The gateway's own addresses in the namespace are none of the tunnel's. */
static int check_prefix(const struct up *up, const struct prefix own[2],
			const struct prefix *prefix, struct error *err)
{
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < 2; i++) {
		if (prefix->length < own[i].length || !prefix_contains(&own[i], &prefix->address))
			continue;
		error_set(err, EX_DATAERR, "%s is one of the links between host and sandbox",
			  prefix_format(prefix, text));
		error_hint(err, "other addresses for these links: control-pool in "
				"/etc/migrant/migrant.conf");
		return error_place(err, "%s", file_of(up));
	}
	return 0;
}

static int check_addresses(const struct up *up, struct error *err)
{
	const struct wireguard *wireguard = up->wireguard;
	struct prefix own[2];
	struct wire wire;

	if (policy_wire(&up->project, &wire, err) < 0 || host_pool(&own[1], err) < 0)
		return -1;
	own[0] = wire_prefix(&wire);
	for (size_t i = 0; i < wireguard->address_count; i++)
		if (check_prefix(up, own, &wireguard->addresses[i], err) < 0)
			return -1;
	for (size_t i = 0; i < wireguard->allowed_count; i++)
		if (check_prefix(up, own, &wireguard->allowed[i].prefix, err) < 0)
			return -1;
	for (size_t i = 0; i < up->tunnel.dns_count; i++) {
		const struct prefix resolver = {up->tunnel.dns[i],
						8 * address_size(&up->tunnel.dns[i])};

		if (check_prefix(up, own, &resolver, err) < 0)
			return -1;
	}
	return 0;
}

/* A peer knows one address for a key: of two who use it, the one is heard that spoke last. */
static int warn_of_others(const struct up *up, struct error *err)
{
	_cleanup_domain_list_ struct domain_list list = {0};

	if (domain_list(up->project.connection, getuid(), false, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		const struct domain *domain = &list.items[i].domain;
		const struct metadata *metadata = &domain->definition.metadata;

		if (!text_equal(list.items[i].name, up->project.config.name) &&
		    (domain->state == DOMAIN_RUNNING || domain->state == DOMAIN_PAUSED) &&
		    text_equal(metadata->tunnel.identity, up->tunnel.identity))
			log_warning("the sandbox '%s' runs with the same tunnel: its peer answers "
				    "one of the two at a time",
				    list.items[i].name);
	}
	return 0;
}

/* Saved memory goes on in the tunnel that it was saved in. */
static int check_saved(const struct up *up, struct error *err)
{
	const struct metadata *metadata = &up->project.domain.definition.metadata;

	if (!up->adopted || up->project.domain.state != DOMAIN_SAVED ||
	    text_equal(metadata->tunnel.identity, up->tunnel.identity))
		return 0;
	error_set(err, EXIT_STATE, "the guest was saved with another tunnel than there is now");
	return error_hint(err, "put %s back; 'migrant reload' gives up what was saved",
			  file_of(up) ? file_of(up) : "its wireguard.conf");
}

static int find_peers(struct up *up, struct error *err)
{
	if (tunnel_check_programs(err) < 0 || tunnel_resolve(up->wireguard, err) < 0)
		return -1;
	tunnel_facts(up->wireguard, tunnel_find_mtu(up->wireguard), &up->tunnel);
	if (check_addresses(up, err) < 0)
		return -1;
	return warn_of_others(up, err);
}

int up_tunnel(struct up *up, struct error *err)
{
	const struct config *config = &up->project.config;
	_cleanup_lines_ struct lines notes = {0};

	if (!config->wireguard)
		return check_saved(up, err);
	up->wireguard = xcalloc(1, sizeof(*up->wireguard));
	if (tunnel_file_load(config, up->wireguard, &notes, err) < 0 ||
	    tunnel_file_check(config, up->wireguard, err) < 0)
		return -1;
	tunnel_file_notes(config, up->wireguard, &notes);
	for (size_t i = 0; i < notes.count; i++)
		log_info("%s: %s", config->wireguard, notes.items[i]);
	if (up->adopted && up->project.domain.state == DOMAIN_PAUSED)
		return 0; /* its tunnel is there */
	if (find_peers(up, err) < 0)
		return -1;
	return check_saved(up, err);
}

static void describe_peers(const struct wireguard *wireguard, struct strbuf *output)
{
	const char *before = " to ";

	for (size_t i = 0; i < wireguard->peer_count; i++) {
		const struct wireguard_endpoint *endpoint = &wireguard->peers[i].endpoint;
		char text[WIREGUARD_ENDPOINT_TEXT_MAX];

		if (!endpoint->port)
			continue;
		strbuf_addf(output, "%s%s", before, wireguard_endpoint_format(endpoint, text));
		if (*endpoint->host)
			strbuf_addf(output, " (%s)", endpoint->host);
		before = ", ";
	}
}

char *up_what_stage(const struct up *up)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	char address[PREFIX_TEXT_MAX];

	strbuf_addf(&text, "hand %s to the root side: a tunnel", file_of(up));
	describe_peers(up->wireguard, &text);
	for (size_t i = 0; i < up->tunnel.address_count; i++)
		strbuf_addf(&text, "%s%s", i ? ", " : ", from ",
			    prefix_format(&up->tunnel.addresses[i], address));
	strbuf_addf(&text, ", MTU %u, by %s", up->tunnel.mtu, tunnel_backend());
	return strbuf_take(&text);
}

/* What is handed over is what was read and checked, with the addresses that were found. */
int up_stage(struct up *up, struct error *err)
{
	_cleanup_wireguard_text_ struct strbuf text = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT, peers = STRBUF_INIT;

	describe_peers(up->wireguard, &peers);
	log_step("%s: tunnel%s", up->project.config.name, strbuf_text(&peers));
	wireguard_write(up->wireguard, &text);
	if (helper_tell("stage", up->project.config.name, text.text, &answer, err) < 0)
		return error_prefix(err, "cannot hand the tunnel over");
	return 0;
}

char *up_what_answer(const struct up *up)
{
	(void)up;
	return text_format("wait for the tunnel's first handshake, at most %d s",
			   HANDSHAKE_SECONDS);
}

static int no_handshake(const struct up *up, const struct tunnel_state *state, struct error *err)
{
	_cleanup_strbuf_ struct strbuf peers = STRBUF_INIT;

	describe_peers(up->wireguard, &peers);
	error_set(err, EX_TEMPFAIL, "the tunnel%s: no handshake within %d s", strbuf_text(&peers),
		  HANDSHAKE_SECONDS);
	return error_hint(err,
			  "does the peer know the public key %s, and does UDP get there? 'migrant "
			  "up --no-handshake' does not wait",
			  state->public_key ? state->public_key : "of this file");
}

/* WireGuard tells nobody when a handshake is done: it is looked at, several times a second. */
int up_handshake(struct up *up, struct error *err)
{
	const int64_t end = clock_ms() + HANDSHAKE_SECONDS * INT64_C(1000);

	for (;;) {
		_cleanup_(tunnel_state_done) struct tunnel_state state = {0};
		struct pollfd interrupted = {.fd = interrupt_fd(), .events = POLLIN};
		int result = tunnel_state_load(up->project.config.name, &state, err);

		if (interrupt_pending())
			return interrupt_error(err);
		if (result < 0)
			return -1;
		if (state.latest_handshake)
			return 0;
		if (clock_ms() >= end)
			return no_handshake(up, &state, err);
		poll(&interrupted, 1, HANDSHAKE_LOOK_MS);
	}
}
