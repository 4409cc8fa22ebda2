/*
 * What WireGuard itself says of an interface, without its secrets.
 */
#ifndef TUNNEL_WIREGUARD_STATE_H
#define TUNNEL_WIREGUARD_STATE_H

#include <stddef.h>

#include "base/error.h"

/* Bytes that `wg show INTERFACE dump` may print for the peers that a file can have. */
#define WIREGUARD_DUMP_MAX (256 * 1024)

/*
 * Makes the answer of `migrant-helper wg` out of what `wg show INTERFACE dump` prints (wg(8)): a
 * JSON object with interface, backend ("kernel", "wireguard-go"), public_key, listen_port and
 * peers, each with public_key, endpoint or null, allowed_ips, latest_handshake (Unix seconds) or
 * null, received_bytes, sent_bytes, keepalive (seconds) or null. Private and preshared keys, which
 * the dump holds, are not looked at; the dump is the caller's to wipe. EX_SOFTWARE when it is not
 * understood, saying nothing of what stands there. The caller frees.
 */
MUST_CHECK int wireguard_state_format(const char *dump, size_t length, const char *interface,
				      const char *backend, char **ret_json, struct error *err);

#endif
