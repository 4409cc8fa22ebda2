/*
 * The tunnel of a running sandbox, as WireGuard has it: asked of the root side, which leaves the
 * secrets out.
 */
#ifndef COMMAND_TUNNEL_STATE_H
#define COMMAND_TUNNEL_STATE_H

#include <json-c/json.h>
#include <stdint.h>

#include "command/project.h"

struct tunnel_state {
	json_object *answer;	  /* of `migrant-helper wg`, see tunnel/wireguard_state.h */
	const char *public_key;	  /* borrowed from it */
	const char *endpoint;	  /* of the peer that was heard last, or of the first; or NULL */
	int64_t latest_handshake; /* Unix seconds; 0: none yet */
	int64_t received, sent;	  /* bytes, of all peers */
};
void tunnel_state_done(struct tunnel_state *state);

/* EX_SOFTWARE when the answer is not understood; errors as helper_run(). */
MUST_CHECK int tunnel_state_load(const char *name, struct tunnel_state *ret_state,
				 struct error *err);

/* The same of the answer's text. Pure. */
MUST_CHECK int tunnel_state_parse(const char *text, struct tunnel_state *ret_state,
				  struct error *err);

/* `tunnel` in `status`: an object, or NULL where there is none. */
json_object *tunnel_status(const struct project *project);

/* One line of it for people; the caller frees. */
char *tunnel_line(json_object *tunnel);

/* "3 minutes ago"; @then 0: "never". The caller frees. */
char *tunnel_age(int64_t then, int64_t now);

/* True when the sandbox runs with another tunnel than the Migrantfile and its file ask for. */
bool tunnel_is_outdated(const struct project *project);

#define TUNNEL_OUTDATED "its tunnel is not that of the Migrantfile: 'migrant reload' takes that one"

#endif
