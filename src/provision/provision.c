/*
 * The Migrantfile's `provision:`, in its order. What it runs is the user's; what it meets in the
 * guest is not.
 */
#include "provision/provision.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "provision/ansible.h"
#include "provision/shell.h"

#define SCRIPT_MAX (1 << 20)

static char *path_or_null(const struct config *config, const char *path)
{
	return path ? config_path(config, path) : NULL;
}

static int run_ansible(const struct config *config, const struct config_provision *provision,
		       const struct guest_access *hosts, size_t host_count, struct error *err)
{
	_cleanup_free_ char *playbook = config_path(config, provision->file);
	_cleanup_free_ char *requirements = path_or_null(config, provision->requirements);
	_cleanup_free_ char *settings = path_or_null(config, provision->settings);
	const struct ansible_request request = {
		.title = config_provision_title(provision),
		.playbook = playbook,
		.vars = provision->vars,
		.tags = (const char *const *)provision->tags,
		.requirements = requirements,
		.settings = settings,
		.hosts = hosts,
		.host_count = host_count,
	};

	return ansible_run(&request, err);
}

static int run_shell(const struct config *config, const struct config_provision *provision,
		     const struct guest_access *access, struct error *err)
{
	_cleanup_free_ char *path = path_or_null(config, provision->file);
	_cleanup_free_ char *text = text_dup(provision->script);
	size_t length = text ? strlen(text) : 0;

	if (path && file_read(AT_FDCWD, path, SCRIPT_MAX, &text, &length, err) < 0)
		return -1;
	return shell_run(config_provision_title(provision), text, length, provision->as_user,
			 access, err);
}

static int run_file(const struct config *config, const struct config_provision *provision,
		    const struct guest_access *access, struct error *err)
{
	_cleanup_free_ char *from = config_path(config, provision->file);
	const struct placement placement = {
		.from = from,
		.to = provision->to,
		.mode = provision->mode,
		.as_user = provision->as_user,
	};

	return placement_run(&placement, access, err);
}

int provision_run_one(const struct config *config, const struct config_provision *provision,
		      const struct guest_access *hosts, size_t host_count, struct error *err)
{
	log_step("%s: %s", config_provision_kind(provision), config_provision_title(provision));
	switch (provision->kind) {
	case PROVISION_ANSIBLE:
		return run_ansible(config, provision, hosts, host_count, err);
	case PROVISION_SHELL:
		return run_shell(config, provision, hosts, err);
	case PROVISION_FILE:
		return run_file(config, provision, hosts, err);
	}
	abort();
}

int provision_run(const struct config *config, const struct guest_access *hosts, size_t host_count,
		  struct error *err)
{
	for (size_t i = 0; i < config->provision_count; i++)
		if (provision_run_one(config, &config->provision[i], hosts, host_count, err) < 0)
			return -1;
	return 0;
}
