/*
 * What is done inside a guest once it is up: the Migrantfile's `provision:`.
 */
#ifndef PROVISION_PROVISION_H
#define PROVISION_PROVISION_H

#include "base/error.h"
#include "config/config.h"
#include "provision/ssh.h"

/*
 * Runs everything of config->provision in its order; nothing listed is success. The guest is the
 * first of @hosts, is up and answers SSH; those behind it are further hosts of a playbook's
 * inventory. EX_SOFTWARE when a provisioner fails, EX_NOINPUT without its file, EX_UNAVAILABLE
 * without its program, 128+signal when interrupted.
 */
MUST_CHECK int provision_run(const struct config *config, const struct guest_access *hosts,
			     size_t host_count, struct error *err);

/* One of them. */
MUST_CHECK int provision_run_one(const struct config *config,
				 const struct config_provision *provision,
				 const struct guest_access *hosts, size_t host_count,
				 struct error *err);

#endif
