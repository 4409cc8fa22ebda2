/*
 * `migrant fork`: sandboxes of their own that begin where this one is. Its disk is frozen once, and
 * all of them lie over it. Whatever can be refused is refused before that.
 */
#include <fcntl.h>
#include <inttypes.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "command/disks.h"
#include "command/fork.h"
#include "command/named.h"

#define FORKS_MAX   64 /* of one call */
#define MEMINFO_MAX 16384

#define GUEST_BEGINS (UINT64_C(512) << 20) /* bytes, of a Debian with its page cache */
#define QEMU_BEGINS  (UINT64_C(320) << 20) /* with TCG's translated code */

static void forks_done(struct forks *forks)
{
	for (size_t i = 0; i < forks->count; i++)
		fork_end(&forks->items[i]);
	free(forks->items);
	error_done(&forks->first);
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

/* Bytes that the host can give without taking them from somebody (proc(5), MemAvailable). */
static int free_memory(uint64_t *ret_bytes, struct error *err)
{
	static const char key[] = "\nMemAvailable:";
	_cleanup_free_ char *text = NULL, *number = NULL;
	const char *at;
	uint64_t kib;

	if (file_read(AT_FDCWD, "/proc/meminfo", MEMINFO_MAX, &text, NULL, err) < 0)
		return -1;
	at = strstr(text, key);
	if (at) {
		at += strlen(key);
		at += strspn(at, " ");
		number = text_dup_n(at, strcspn(at, " \n"));
	}
	if (!number || parse_number(number, 0, UINT64_MAX / 1024, &kib) < 0)
		return error_set(err, EX_OSERR, "cannot tell the host's memory");
	*ret_bytes = kib * 1024;
	return 0;
}

/* What a guest that has just come up takes of its memory, and its QEMU besides. */
static uint64_t first_need(uint64_t memory)
{
	return (memory < GUEST_BEGINS ? memory : GUEST_BEGINS) + QEMU_BEGINS;
}

/*
 * What the host has to hold at once is what the guests take when they come up; a guest that uses
 * what it was promised takes more, and then it is the kernel that chooses who has to go.
 */
static int check_memory(const struct forks *forks, struct error *err)
{
	const uint64_t memory = forks->items[0].up.project.config.memory;
	const uint64_t each = first_need(memory);
	uint64_t available = 0;

	if (free_memory(&available, err) < 0)
		return -1;
	if (each * forks->count > available) {
		error_set(err, EX_UNAVAILABLE,
			  "%zu fork%s take %" PRIu64 " MiB of memory when they come up, the host "
			  "has %" PRIu64 " MiB free",
			  forks->count, forks->count == 1 ? "" : "s", each * forks->count >> 20,
			  available >> 20);
		return error_hint(
			err,
			"it has room for %" PRIu64 "; halt other sandboxes, or write a "
			"smaller memory: into the Migrantfile, which is the forks' as well",
			available / each);
	}
	if (memory * forks->count > available)
		log_warning("the guests may come to use %" PRIu64 " MiB of memory, the host has "
			    "%" PRIu64 " MiB free: what is needed beyond ends somebody's program",
			    memory * forks->count >> 20, available >> 20);
	return 0;
}

/* All that can be refused is refused before the first one is made. */
static int begin_all(struct forks *forks, const struct project *origin,
		     const struct invocation *invocation, char *const *names, struct error *err)
{
	for (; *names; names++) {
		struct fork *fork = &forks->items[forks->count++];

		fork->up = (struct up)UP_INIT;
		if (fork_begin(fork, origin, invocation, *names, err) < 0)
			return -1;
		for (const struct fork *other = forks->items; other < fork; other++)
			if (fork_check_key(fork, other->up.wireguard,
					   other->up.project.config.wireguard, err) < 0)
				return -1;
	}
	if (up_hook(&forks->items[0].up, err) < 0 || check_memory(forks, err) < 0)
		return -1;
	return up_preflight(&forks->items[0].up, err);
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
	if (begin_all(&forks, &origin, invocation, names, err) < 0)
		return -1;
	say_what_is_not_shared(&origin);
	disks_sync(&origin);
	if (disks_share(&origin, &layers, err) < 0 || forks_make(&forks, &origin, layers, err) < 0)
		return -1;
	project_unlock(&origin); /* what they stand on is theirs as well by now */
	return forks_bring_up(&forks, err);
}

static const struct option options[] = {
	SANDBOX_OPTION,
	{'n', "count", OPTION_NUMBER, "COUNT", "make that many, called NAME-1, NAME-2, …"},
	{0, "timeout", OPTION_NUMBER, "S", "seconds to wait for each of the guests (600)"},
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
