/*
 * What a person wants to know of a tunnel: with whom, since when, how much. The root side answers
 * in JSON, in which everything is optional to this reader but the keys and the peers.
 */
#include "command/tunnel_state.h"

#include <inttypes.h>
#include <time.h>

#include "base/text.h"
#include "command/helper.h"
#include "command/policy_state.h"
#include "command/tunnel_file.h"

void tunnel_state_done(struct tunnel_state *state)
{
	json_object_put(state->answer);
	*state = (struct tunnel_state){0};
}

static json_object *member(json_object *object, const char *name)
{
	json_object *value = NULL;

	json_object_object_get_ex(object, name, &value);
	return value;
}

static void add_peer(struct tunnel_state *state, json_object *peer)
{
	const char *endpoint = json_object_get_string(member(peer, "endpoint"));
	int64_t handshake = json_object_get_int64(member(peer, "latest_handshake"));

	state->received += json_object_get_int64(member(peer, "received_bytes"));
	state->sent += json_object_get_int64(member(peer, "sent_bytes"));
	if (endpoint && (!state->endpoint || handshake > state->latest_handshake))
		state->endpoint = endpoint;
	if (handshake > state->latest_handshake)
		state->latest_handshake = handshake;
}

int tunnel_state_parse(const char *text, struct tunnel_state *ret_state, struct error *err)
{
	struct tunnel_state state = {.answer = json_tokener_parse(text)};
	json_object *peers = member(state.answer, "peers");

	state.public_key = json_object_get_string(member(state.answer, "public_key"));
	if (!state.public_key || !json_object_is_type(peers, json_type_array)) {
		tunnel_state_done(&state);
		return error_set(err, EX_SOFTWARE, "the helper's answer is not understood");
	}
	for (size_t i = 0; i < json_object_array_length(peers); i++)
		add_peer(&state, json_object_array_get_idx(peers, i));
	*ret_state = state;
	return 0;
}

int tunnel_state_load(const char *name, struct tunnel_state *ret_state, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;

	if (helper_run("wg", name, &answer, err) < 0 ||
	    tunnel_state_parse(strbuf_text(&answer), ret_state, err) < 0)
		return error_prefix(err, "cannot look at the tunnel");
	return 0;
}

char *tunnel_age(int64_t then, int64_t now)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
	int64_t age = now > then ? now - then : 0;

	if (!then)
		return text_dup("never");
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		int64_t count = age / units[i].seconds;

		if (count)
			return text_format("%" PRId64 " %s%s ago", count, units[i].name,
					   count == 1 ? "" : "s");
	}
	return text_dup("now");
}

static void add(json_object *root, const char *name, json_object *value)
{
	json_object_object_add(root, name, value);
}

static json_object *text_or_null(const char *text)
{
	return text ? json_object_new_string(text) : NULL;
}

static json_object *list_prefixes(const struct tunnel *tunnel)
{
	json_object *list = json_object_new_array();
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < tunnel->address_count; i++)
		json_object_array_add(
			list, json_object_new_string(prefix_format(&tunnel->addresses[i], text)));
	return list;
}

static json_object *list_dns(const struct tunnel *tunnel)
{
	json_object *list = json_object_new_array();
	char text[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < tunnel->dns_count; i++)
		json_object_array_add(
			list, json_object_new_string(address_format(&tunnel->dns[i], text)));
	return list;
}

static void add_facts(json_object *root, const struct tunnel *tunnel)
{
	add(root, "addresses", list_prefixes(tunnel));
	add(root, "dns", list_dns(tunnel));
	add(root, "mtu", tunnel->mtu ? json_object_new_int((int)tunnel->mtu) : NULL);
}

/* What runs: its facts from the metadata, its life from WireGuard. */
static json_object *running_tunnel(const struct project *project)
{
	_cleanup_(tunnel_state_done) struct tunnel_state state = {0};
	_cleanup_error_ struct error err = ERROR_INIT;
	json_object *root = json_object_new_object();
	int result = tunnel_state_load(project->config.name, &state, &err);

	add(root, "interface",
	    text_or_null(json_object_get_string(member(state.answer, "interface"))));
	add(root, "backend", text_or_null(json_object_get_string(member(state.answer, "backend"))));
	add(root, "endpoint", text_or_null(state.endpoint));
	add_facts(root, &project->domain.definition.metadata.tunnel);
	add(root, "latest_handshake",
	    state.latest_handshake ? json_object_new_int64(state.latest_handshake) : NULL);
	add(root, "received_bytes", json_object_new_int64(state.received));
	add(root, "sent_bytes", json_object_new_int64(state.sent));
	add(root, "problem", text_or_null(result < 0 ? err.message : NULL));
	return root;
}

/* What would run: as the file has it, with the names of its peers. */
static json_object *wanted_tunnel(const struct config *config)
{
	_cleanup_wireguard_ struct wireguard wireguard = {0};
	_cleanup_error_ struct error err = ERROR_INIT;
	json_object *root = json_object_new_object();
	char endpoint[WIREGUARD_ENDPOINT_TEXT_MAX] = "";
	struct tunnel tunnel = {0};
	int result = tunnel_file_load(config, &wireguard, NULL, &err);

	for (size_t i = 0; i < wireguard.peer_count && !*endpoint; i++)
		wireguard_endpoint_format(&wireguard.peers[i].endpoint, endpoint);
	if (result == 0)
		tunnel_facts(&wireguard, 0, &tunnel);
	add(root, "interface", NULL);
	add(root, "backend", NULL);
	add(root, "endpoint", *endpoint ? json_object_new_string(endpoint) : NULL);
	add_facts(root, &tunnel);
	add(root, "latest_handshake", NULL);
	add(root, "received_bytes", NULL);
	add(root, "sent_bytes", NULL);
	add(root, "problem", text_or_null(result < 0 ? err.message : NULL));
	return root;
}

json_object *tunnel_status(const struct project *project)
{
	if (policy_is_in_force(project))
		return tunnel_is_set(&project->domain.definition.metadata.tunnel)
			       ? running_tunnel(project)
			       : NULL;
	return project->config.wireguard ? wanted_tunnel(&project->config) : NULL;
}

char *tunnel_line(json_object *tunnel)
{
	const char *problem = json_object_get_string(member(tunnel, "problem"));
	const char *endpoint = json_object_get_string(member(tunnel, "endpoint"));
	_cleanup_free_ char *age = tunnel_age(
		json_object_get_int64(member(tunnel, "latest_handshake")), (int64_t)time(NULL));

	if (problem)
		return text_dup(problem);
	if (!member(tunnel, "interface"))
		return text_format("to %s", endpoint ? endpoint : "whoever calls");
	return text_format("to %s, last handshake %s, %" PRId64 " bytes received, %" PRId64 " sent",
			   endpoint ? endpoint : "whoever calls", age,
			   json_object_get_int64(member(tunnel, "received_bytes")),
			   json_object_get_int64(member(tunnel, "sent_bytes")));
}

bool tunnel_is_outdated(const struct project *project)
{
	const struct tunnel *running = &project->domain.definition.metadata.tunnel;
	_cleanup_wireguard_ struct wireguard wireguard = {0};
	_cleanup_error_ struct error ignored = ERROR_INIT;
	char identity[WIREGUARD_IDENTITY_LENGTH + 1] = "";

	if (!policy_is_in_force(project) || !project->has_file)
		return false;
	if (project->config.wireguard) {
		if (tunnel_file_load(&project->config, &wireguard, NULL, &ignored) < 0)
			return false;
		wireguard_identity(&wireguard, identity);
	}
	return !text_equal(identity, running->identity);
}
