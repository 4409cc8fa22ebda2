/*
 * `migrant fork`: sandboxes of their own that begin where this one is. Its disk is frozen once, and
 * all of them lie over it. They boot at the same time; each is waited for in turn.
 */
#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"
#include "command/disks.h"
#include "command/fork.h"

#define FORKS_MAX 64 /* of one call */

struct forks {
	struct fork *items;
	size_t count;
};

static void forks_done(struct forks *forks)
{
	for (size_t i = 0; i < forks->count; i++)
		fork_end(&forks->items[i]);
	free(forks->items);
}
#define _cleanup_forks_ _cleanup_(forks_done)

/* The names that were asked for: the operands, or NAME-1 to NAME-COUNT. */
static int read_names(const struct invocation *invocation, char ***ret_names, struct error *err)
{
	size_t count = (size_t)option_number(invocation, "count", 0);
	size_t given = (size_t)invocation->argc;
	size_t total = count ? count : given;
	char **names;

	if (count && given != 1)
		return error_set(err, EX_USAGE, "-n takes one name, from which it makes NAME-1 …");
	if (total > FORKS_MAX)
		return error_set(err, EX_USAGE, "at most %d forks at once", FORKS_MAX);
	names = xcalloc(total + 1, sizeof(*names));
	for (size_t i = 0; i < total; i++)
		names[i] = count ? text_format("%s-%zu", invocation->argv[0], i + 1)
				 : text_dup(invocation->argv[i]);
	*ret_names = names;
	return 0;
}

static int check_twice(char *const *names, struct error *err)
{
	for (char *const *name = names; *name; name++)
		for (char *const *other = names; other < name; other++)
			if (text_equal(*name, *other))
				return error_set(err, EX_USAGE, "'%s' stands there twice", *name);
	return 0;
}

/* All that can be refused is refused before the first one is made. */
static int begin_all(struct forks *forks, const struct invocation *invocation, char *const *names,
		     struct error *err)
{
	for (; *names; names++) {
		struct fork *fork = &forks->items[forks->count++];

		fork->up = (struct up)UP_INIT;
		if (fork_begin(fork, invocation, *names, err) < 0)
			return -1;
	}
	return up_hook(&forks->items[0].up, err) < 0 || up_preflight(&forks->items[0].up, err) < 0
		       ? -1
		       : 0;
}

static int open_origin(struct project *project, const struct invocation *invocation,
		       struct error *err)
{
	if (project_load(project, invocation, err) < 0 ||
	    project_lock(project, LOCK_SECONDS, err) < 0 || project_connect(project, err) < 0 ||
	    project_find(project, err) < 0)
		return -1;
	return disks_require_made(project, err);
}

static void say_what_is_not_shared(const struct project *project)
{
	if (project->domain.definition.metadata.share_count)
		log_info("forks have no shares: those are one sandbox's");
	if (project->config.network.port_count)
		log_info("forks have no ports: those are one sandbox's");
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project origin = PROJECT_INIT;
	_cleanup_list_ char **names = NULL, **layers = NULL;
	_cleanup_forks_ struct forks forks = {0};

	if (read_names(invocation, &names, err) < 0 || check_twice(names, err) < 0 ||
	    open_origin(&origin, invocation, err) < 0)
		return -1;
	interrupt_catch();
	forks.items = xcalloc(FORKS_MAX, sizeof(*forks.items));
	if (begin_all(&forks, invocation, names, err) < 0)
		return -1;
	say_what_is_not_shared(&origin);
	disks_sync(&origin);
	if (disks_share(&origin, &layers, err) < 0)
		return -1;
	for (size_t i = 0; i < forks.count; i++)
		if (fork_start(&forks.items[i], &origin, layers, err) < 0)
			return error_prefix(err, "%s", names[i]);
	for (size_t i = 0; i < forks.count; i++)
		if (fork_finish(&forks.items[i], err) < 0)
			return error_prefix(err, "%s", names[i]);
	return 0;
}

static const struct option options[] = {
	{'n', "count", OPTION_NUMBER, "COUNT", "make that many, called NAME-1, NAME-2, …"},
	{0},
};

const struct command command_fork = {
	.name = "fork",
	.example = "migrant fork try -n 3",
	.group = "state",
	.operands = "NAME…",
	.summary = "make sandboxes of their own that begin where this one is",
	.details = "Each has the disk as it is now, copied by nobody, and a name, address and keys "
		   "of\n"
		   "its own, but no shares and no ports. 'migrant ssh NAME', 'status NAME', 'halt "
		   "NAME',\n"
		   "'up NAME' and 'destroy NAME' are for them. The sandbox itself goes on.\n",
	.options = options,
	.operands_min = 1,
	.operands_max = -1,
	.run = run,
};
