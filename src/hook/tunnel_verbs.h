/*
 * The verbs about tunnels.
 */
#ifndef HOOK_TUNNEL_VERBS_H
#define HOOK_TUNNEL_VERBS_H

#include "hook/verbs.h"

/*
 * stage NAME: keeps the configuration on stdin (wireguard_write()'s text, endpoints as addresses)
 * for the next start of the caller's sandbox of that name. {"name": …, "identity": …}.
 */
MUST_CHECK int tunnel_verb_stage(const struct verb_args *args, struct strbuf *output,
				 struct error *err);

/*
 * wg NAME: what WireGuard says of the tunnel, without its secrets: wireguard_state_format().
 * EXIT_STATE without a tunnel.
 */
MUST_CHECK int tunnel_verb_wg(const struct verb_args *args, struct strbuf *output,
			      struct error *err);

#endif
