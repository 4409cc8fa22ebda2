/*
 * `migrant destroy`: everything of the sandbox goes, in any state, also a half-made one. The domain
 * goes last: until then it says whose the rest is, and the next `destroy` goes on where this one
 * was cut off.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "command/helper.h"
#include "command/project.h"
#include "command/volumes.h"

#define ANSWER_MAX 16

/* 1: yes. 0: no. -1: nobody to ask. */
static int ask(const struct project *project, struct error *err)
{
	char answer[ANSWER_MAX] = "";

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		error_set(err, EX_USAGE,
			  "'destroy' asks before it deletes, and there is no "
			  "terminal");
		return error_hint(err, "migrant destroy -f does not ask");
	}
	fprintf(stderr, "Destroy the sandbox '%s' and everything in it? [y/N] ",
		project->config.name);
	fflush(stderr);
	if (!fgets(answer, sizeof(answer), stdin))
		return 0;
	return answer[0] == 'y' || answer[0] == 'Y';
}

static int check_nothing_left(const struct project *project, virStoragePoolPtr pool,
			      const char *uuid, struct error *err)
{
	_cleanup_domain_ struct domain again = DOMAIN_INIT;
	_cleanup_free_ char *left = helper_leftover(project->config.name);
	int volumes = sandbox_volumes_count(pool, uuid, err);

	if (volumes < 0 || domain_find(project->connection, project->config.name, &again, err) < 0)
		return -1;
	if (again.handle)
		return error_set(err, EX_SOFTWARE, "the domain is still there");
	if (volumes)
		return error_set(err, EX_SOFTWARE, "%d volumes of it are still in the pool",
				 volumes);
	return left ? error_set(err, EX_SOFTWARE, "%s is still there", left) : 0;
}

static int destroy(struct project *project, struct error *err)
{
	_cleanup_pool_ virStoragePoolPtr pool = NULL;
	const char *uuid = project->domain.definition.metadata.uuid;

	if (pool_open(project->connection, &pool, err) < 0)
		return -1;
	log_step("%s: destroying", project->config.name);
	if (domain_kill(project->domain.handle, err) < 0 ||
	    helper_cleanup(project->config.name, err) < 0 ||
	    sandbox_volumes_delete(pool, uuid, err) < 0 ||
	    domain_undefine(project->domain.handle, err) < 0)
		return error_hint(err, "'migrant destroy' goes on where this one stopped");
	if (check_nothing_left(project, pool, uuid, err) < 0)
		return error_prefix(err, "the sandbox is not quite gone");
	log_step("%s: destroyed, nothing of it is left", project->config.name);
	return 0;
}

static int absent(const struct project *project, struct error *err)
{
	_cleanup_free_ char *left = helper_leftover(project->config.name);

	if (left && helper_cleanup(project->config.name, err) < 0)
		return -1;
	log_step("%s: does not exist", project->config.name);
	return 0;
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	int answer = 1;

	if (project_open(&project, invocation, err) < 0)
		return -1;
	if (project.domain.handle && !option_flag(invocation, "force"))
		answer = ask(&project, err);
	if (answer <= 0) {
		if (answer == 0)
			log_info("nothing was changed");
		return answer;
	}
	if (project_lock(&project, LOCK_SECONDS, err) < 0 || project_find(&project, err) < 0)
		return -1;
	return project.domain.handle ? destroy(&project, err) : absent(&project, err);
}

static const struct option options[] = {
	{'f', "force", OPTION_FLAG, NULL, "do not ask"},
	{0},
};

const struct command command_destroy = {
	.name = "destroy",
	.group = "lifecycle",
	.summary = "end the sandbox and delete everything of it",
	.options = options,
	.run = run,
};
