/*
 * The Migrantfile's `provision:`, in its order. What it runs is the user's; what it meets in the
 * guest is not.
 */
#include "provision/provision.h"

#include "base/log.h"
#include "provision/ansible.h"

static int run_one(const struct config *config, const struct config_provision *provision,
		   const struct guest_access *access, struct error *err)
{
	_cleanup_free_ char *path = config_path(config, provision->file);

	switch (provision->kind) {
	case PROVISION_ANSIBLE:
		log_step("ansible: %s", provision->file);
		return ansible_run(path, access, err);
	case PROVISION_SHELL:
	case PROVISION_FILE: /* config_require_built() has refused it before */
		break;
	}
	return config_error(config, provision->position, err, "'%s' is not built yet",
			    config_provision_kind(provision));
}

int provision_run(const struct config *config, const struct guest_access *access, struct error *err)
{
	for (size_t i = 0; i < config->provision_count; i++)
		if (run_one(config, &config->provision[i], access, err) < 0)
			return -1;
	return 0;
}
