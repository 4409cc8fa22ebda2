/*
 * The guest's SSH host key is made on the host and planted by the seed, so that the first
 * connection already knows whom it talks to.
 */
#ifndef PROVISION_HOST_KEY_H
#define PROVISION_HOST_KEY_H

#include "base/error.h"

/*
 * A new ed25519 key: *ret_private in OpenSSH's PEM form (the caller wipes and frees it),
 * *ret_public "ssh-ed25519 AAAA…" without a comment. What they held is freed. EX_UNAVAILABLE
 * without ssh-keygen.
 */
MUST_CHECK int host_key_make(char **ret_private, char **ret_public, struct error *err);

#endif
