/*
 * The one SSH key with which migrant enters its guests: ~/.ssh/migrant, or the file that
 * MIGRANT_KEY names. It opens nothing but guests, so it has no passphrase; its private half never
 * leaves the host.
 */
#ifndef PROVISION_KEYS_H
#define PROVISION_KEYS_H

#include "base/error.h"

/*
 * Makes the key pair (ed25519, 0600, directory 0700) unless it is there. Two processes at once end
 * up with one key. *ret_private_path is absolute, *ret_public_text is one line without its newline;
 * both are the caller's. EX_USAGE for a path that ssh would read otherwise, EX_UNAVAILABLE without
 * ssh-keygen, EX_CANTCREAT, EX_NOPERM when others can read the private key or it belongs to
 * somebody else, EX_DATAERR when it is no key or has a passphrase.
 */
MUST_CHECK int key_ensure(char **ret_private_path, char **ret_public_text, struct error *err);

/* True when the key is there already. */
bool key_is_made(void);

/* The user's home directory, $HOME or the account's, or NULL. The caller frees. */
char *home_directory(void);

/* True for one line of printable ASCII "TYPE BASE64[ COMMENT]" as ssh-keygen prints it. Pure. */
bool key_public_is_valid(const char *line);

#endif
