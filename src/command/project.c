/*
 * The common beginning of commands. What works on a sandbox holds the lock of its name; when it is
 * the one that the directory's Migrantfile describes, that of the directory before, for it is also
 * about what belongs to the directory: its shares. Always in this order, so no two wait for each
 * other.
 */
#include "command/project.h"

#include <unistd.h>

#include "base/text.h"
#include "command/named.h"
#include "domain/libvirt.h"
#include "provision/keys.h"

void project_done(struct project *project)
{
	domain_done(&project->domain);
	cleanup_connection(&project->connection);
	project_unlock(project);
	config_done(&project->config);
	*project = (struct project)PROJECT_INIT;
}

int project_load(struct project *project, const struct invocation *invocation, struct error *err)
{
	const char *name = named_sandbox(invocation);

	if (name)
		return named_load(project, name, err);
	if (config_load(invocation->directory, &project->config, err) < 0)
		return -1;
	project->has_file = true;
	return 0;
}

void project_unlock(struct project *project)
{
	cleanup_close(&project->name_lock);
	cleanup_close(&project->lock);
}

/* A name that is somebody else's sandbox is refused, which need not wait for what is done to it. */
static int lock_own_name(struct project *project, unsigned int seconds, struct error *err)
{
	_cleanup_error_ struct error busy = ERROR_INIT;

	if (lock_name(project->config.name, 0, &project->name_lock, &busy) == 0)
		return 0;
	if (seconds == 0 || busy.code != EX_TEMPFAIL) {
		error_move(err, &busy);
		return -1;
	}
	if (project_connect(project, err) < 0 || project_find(project, err) < 0)
		return -1;
	return lock_name(project->config.name, seconds, &project->name_lock, err);
}

int project_lock(struct project *project, unsigned int seconds, struct error *err)
{
	const char *directory = project->config.directory;
	_cleanup_close_ int lock = -1;

	/* what may have gone with its directory is the user's to destroy all the same */
	if (!project->is_fork && (project->has_file || access(directory, F_OK) == 0) &&
	    lock_directory(directory, seconds, &lock, err) < 0)
		return -1;
	if (lock_own_name(project, seconds, err) < 0)
		return -1;
	project->lock = take_fd(&lock);
	return 0;
}

int project_connect(struct project *project, struct error *err)
{
	if (project->connection)
		return 0;
	wait_init();
	return libvirt_connect(&project->connection, err);
}

int project_find(struct project *project, struct error *err)
{
	domain_done(&project->domain);
	if (domain_find(project->connection, project->config.name, &project->domain, err) < 0)
		return -1;
	return domain_check_owner(&project->domain, getuid(), project->config.directory, err);
}

int project_open(struct project *project, const struct invocation *invocation, struct error *err)
{
	if (project_load(project, invocation, err) < 0 || project_connect(project, err) < 0)
		return -1;
	return project_find(project, err);
}

int project_require_file(const struct project *project, struct error *err)
{
	const struct config *config = &project->config;

	if (project->has_file)
		return 0;
	error_set(err, EX_NOINPUT, "%s has no Migrantfile of the sandbox '%s' any more",
		  config->directory, config->name);
	return error_hint(err, "'migrant destroy %s' deletes it", config->name);
}

int project_require_running(const struct project *project, struct error *err)
{
	enum domain_state state = project->domain.state;

	if (state == DOMAIN_RUNNING)
		return 0;
	error_set(err, EXIT_STATE, "the sandbox '%s' is not running (%s)", project->config.name,
		  domain_state_name(state));
	return error_hint(err, "start it: migrant up");
}

bool project_has_guest(const struct project *project)
{
	return project->domain.state == DOMAIN_RUNNING || project->domain.state == DOMAIN_PAUSED;
}

void project_access_done(struct project_access *access)
{
	record_done(&access->record);
	free(access->key);
	*access = (struct project_access){0};
}

int project_find_access(const struct project *project, struct project_access *ret_access,
			struct error *err)
{
	const struct metadata *metadata = &project->domain.definition.metadata;
	_cleanup_access_ struct project_access access = {0};
	_cleanup_free_ char *public_key = NULL;

	if (record_load(project->config.name, &access.record, err) < 0) {
		err->code = EX_SOFTWARE;
		return error_prefix(err, "the running sandbox has no gateway");
	}
	if (!text_equal(access.record.uuid, metadata->uuid))
		return error_set(err, EX_SOFTWARE, "the gateway is that of another sandbox");
	if (!metadata->host_key || !metadata->user)
		return error_set(err, EX_SOFTWARE, "the sandbox has no host key");
	if (key_ensure(&access.key, &public_key, err) < 0)
		return -1;
	*ret_access = access;
	access = (struct project_access){0};
	ret_access->access = (struct guest_access){
		.name = metadata->name,
		.address = ret_access->record.control_address,
		.user = metadata->user,
		.key = ret_access->key,
		.host_key = metadata->host_key,
	};
	return 0;
}
