/*
 * A sandbox for programs that read ssh_config(5): ssh, scp, rsync, VS Code's Remote.
 */
#ifndef PROVISION_SSH_CONFIG_H
#define PROVISION_SSH_CONFIG_H

#include "provision/ssh.h"

/*
 * The entry `Host @host`, with the known_hosts file at @known_hosts. Pure. EX_CONFIG when one of
 * the paths cannot be written in such a file.
 */
MUST_CHECK int ssh_config_format(const struct guest_access *access, const char *host,
				 const char *known_hosts, struct strbuf *out, struct error *err);

/*
 * Puts the guest's host key where the entry looks for it: known_hosts-NAME in the user's state
 * directory, whose path is returned. EX_CANTCREAT, EX_IOERR.
 */
MUST_CHECK int ssh_config_store_key(const struct guest_access *access, char **ret_path,
				    struct error *err);

/* Takes it away with the sandbox @name. Absent is fine. */
void ssh_config_forget_key(const char *name);

#endif
