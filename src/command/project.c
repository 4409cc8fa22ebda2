/*
 * The common beginning of commands. The lock is on the directory itself, so that it needs no file
 * and ends with the process that holds it, however that ends.
 */
#include "command/project.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/time.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"
#include "command/named.h"
#include "domain/libvirt.h"
#include "provision/keys.h"

void project_done(struct project *project)
{
	domain_done(&project->domain);
	cleanup_connection(&project->connection);
	cleanup_close(&project->lock);
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

static void on_alarm(int number)
{
	(void)number; /* its coming is what makes flock(2) return */
}

/* Every second, for one that comes between two looks is lost. */
static void set_alarm(bool on)
{
	const struct itimerval every_second = {.it_interval = {.tv_sec = on ? 1 : 0},
					       .it_value = {.tv_sec = on ? 1 : 0}};
	const struct sigaction action = {.sa_handler = on ? on_alarm : SIG_DFL};

	if (on)
		sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every_second, NULL);
	if (!on)
		sigaction(SIGALRM, &action, NULL);
}

static int wait_for_lock(int fd, unsigned int seconds, struct error *err)
{
	struct timespec now;
	time_t deadline;

	clock_gettime(CLOCK_MONOTONIC, &now);
	deadline = now.tv_sec + (time_t)seconds;
	while (flock(fd, LOCK_EX) < 0) {
		if (errno != EINTR)
			return error_errno(err, EX_OSERR, "cannot lock the project");
		if (interrupt_pending())
			return interrupt_error(err);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= deadline)
			return error_set(err, EX_TEMPFAIL,
					 "another migrant has worked on this sandbox for %u s",
					 seconds);
	}
	return 0;
}

/* A sandbox without a directory is locked as all of the user's that have none are: by their home.
 */
static int open_lock(const struct project *project)
{
	const char *home = getenv("HOME");
	int fd = open(project->config.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 || project->has_file || !home)
		return fd;
	return open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int project_lock(struct project *project, unsigned int seconds, struct error *err)
{
	_cleanup_close_ int fd = open_lock(project);
	int result;

	if (fd < 0)
		return error_errno(err, EX_NOINPUT, "%s", project->config.directory);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return error_errno(err, EX_OSERR, "cannot lock the project");
		log_info("another migrant works on this sandbox; waiting for it");
		set_alarm(true);
		result = wait_for_lock(fd, seconds, err);
		set_alarm(false);
		if (result < 0)
			return -1;
	}
	project->lock = take_fd(&fd);
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
