/*
 * The values of a wg-quick file, each read from the part of a line that it is.
 */
#ifndef TUNNEL_WIREGUARD_VALUES_H
#define TUNNEL_WIREGUARD_VALUES_H

#include "tunnel/wireguard.h"

/* A part of the file, not NUL-terminated. */
struct slice {
	const char *at;
	size_t length;
};

/* Without white space at both ends. */
struct slice slice_trim(struct slice slice);
/* True when it is @text, in any case. */
bool slice_is(struct slice slice, const char *text);
/* What is before @character, which *rest is behind afterwards; all of it when it is not there. */
struct slice slice_split(struct slice *rest, char character);

/*
 * Each reads one value into @wireguard (what is a peer's: into its last peer). Returns NULL, or
 * what is wrong with it: a constant, which holds nothing of the value.
 */
const char *value_private_key(struct slice value, struct wireguard *wireguard);
const char *value_addresses(struct slice value, struct wireguard *wireguard);
const char *value_dns(struct slice value, struct wireguard *wireguard);
const char *value_mtu(struct slice value, struct wireguard *wireguard);
const char *value_listen_port(struct slice value, struct wireguard *wireguard);
const char *value_fw_mark(struct slice value, struct wireguard *wireguard);
const char *value_table(struct slice value, struct wireguard *wireguard);
const char *value_save_config(struct slice value, struct wireguard *wireguard);
const char *value_command(struct slice value, struct wireguard *wireguard);
const char *value_public_key(struct slice value, struct wireguard *wireguard);
const char *value_preshared_key(struct slice value, struct wireguard *wireguard);
const char *value_allowed(struct slice value, struct wireguard *wireguard);
const char *value_endpoint(struct slice value, struct wireguard *wireguard);
const char *value_keepalive(struct slice value, struct wireguard *wireguard);

#endif
