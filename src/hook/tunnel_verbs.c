/*
 * What the program asks of root about a tunnel. Keys come in by the first verb and never go out by
 * the second.
 */
#include "hook/tunnel_verbs.h"

#include <json-c/json.h>
#include <string.h>

#include "base/text.h"
#include "hook/protocol.h"
#include "hook/tunnel_stage.h"
#include "network/gateway.h"
#include "network/netns.h"
#include "tunnel/program.h"
#include "tunnel/wg.h"
#include "tunnel/wireguard_state.h"

int tunnel_verb_stage(const struct verb_args *args, struct strbuf *output, struct error *err)
{
	_cleanup_tunnel_ struct wireguard *wireguard = xcalloc(1, sizeof(*wireguard));
	char identity[WIREGUARD_IDENTITY_LENGTH + 1];
	json_object *document;

	if (wireguard_parse(args->input, args->length, "the tunnel", wireguard, err) < 0)
		return -1;
	if (wireguard_unresolved(wireguard))
		return error_set(err, EX_DATAERR, "the tunnel has an endpoint without an address");
	if (tunnel_stage_store(args->name, args->caller, wireguard, err) < 0)
		return -1;
	wireguard_identity(wireguard, identity);
	document = json_object_new_object();
	json_object_object_add(document, "name", json_object_new_string(args->name));
	json_object_object_add(document, "identity", json_object_new_string(identity));
	strbuf_addf(output, "%s\n",
		    json_object_to_json_string_ext(document, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(document);
	return 0;
}

static int ask(const char *link, const struct wireguard *wireguard, struct strbuf *dump,
	       struct error *err)
{
	bool changed = false;

	if (wg_dump(link, dump, err) < 0 || wg_settle(link, wireguard, dump, &changed, err) < 0)
		return -1;
	if (!changed)
		return 0;
	explicit_bzero(dump->text, dump->length);
	strbuf_truncate(dump, 0);
	return wg_dump(link, dump, err);
}

static int ask_inside(const char *name, const char *link, struct strbuf *dump, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	_cleanup_tunnel_ struct wireguard *wireguard = NULL;
	_cleanup_free_ char *netns = gateway_netns(name);
	_cleanup_close_ int fd = -1;

	if (tunnel_stage_load(name, &wireguard, err) < 0 || netns_open(netns, &fd, err) < 0)
		return -1;
	if (fd < 0)
		return error_set(err, EX_NOINPUT, "the namespace %s is gone", netns);
	return netns_enter(&scope, fd, err) < 0 ? -1 : ask(link, wireguard, dump, err);
}

int tunnel_verb_wg(const struct verb_args *args, struct strbuf *output, struct error *err)
{
	_cleanup_wireguard_text_ struct strbuf dump = STRBUF_INIT;
	_cleanup_record_ struct record record = {0};
	_cleanup_free_ char *json = NULL;
	char link[IFNAMSIZ];

	if (record_load(args->name, &record, err) < 0)
		return -1;
	if (!record.tunnel)
		return error_set(err, EXIT_STATE, "%s has no tunnel", args->name);
	gateway_link(TUNNEL_LINK, record.uuid, link);
	if (ask_inside(args->name, link, &dump, err) < 0 ||
	    wireguard_state_format(dump.text, dump.length, link,
				   tunnel_program_made(link) ? "wireguard-go" : "kernel", &json,
				   err) < 0)
		return -1;
	strbuf_addf(output, "%s\n", json);
	return 0;
}
