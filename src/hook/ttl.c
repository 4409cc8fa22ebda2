/*
 * A guest shuts down properly when libvirt asks it to, and root's programs do not speak to libvirt.
 * So the time is kept by a process of the owner's, with the groups that let him use libvirt, which
 * runs what he would: `migrant halt`, and again until it succeeds. Root's part ends before the
 * sleep begins. What the owner can do to it, he could do to the sandbox as well. It is ended with
 * the gateway, when the guest is gone.
 */
#include "hook/ttl.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/proc.h"
#include "base/process.h"
#include "base/text.h"
#include "hook/keeper.h"

#define TTL_MAX	      31536000 /* seconds, as in the Migrantfile */
#define RETRY_SECONDS 30

struct owner {
	uid_t uid;
	gid_t gid;
	char *name;
	gid_t groups[NGROUPS_MAX];
	size_t group_count;
};

static void owner_done(struct owner *owner)
{
	free(owner->name);
}

/* The files themselves: NSS would load whatever the host has configured into a root process. */
static int find_user(struct owner *owner, struct error *err)
{
	_cleanup_fclose_ FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *entry;

	while (file && !owner->name && (entry = fgetpwent(file))) {
		if (entry->pw_uid != owner->uid)
			continue;
		owner->gid = entry->pw_gid;
		owner->name = text_dup(entry->pw_name);
	}
	if (owner->name)
		return 0;
	error_set(err, EX_UNAVAILABLE, "a ttl needs its owner (user %u) in /etc/passwd",
		  owner->uid);
	return error_hint(err, "'ttl: none' in the Migrantfile runs without");
}

static void find_groups(struct owner *owner)
{
	_cleanup_fclose_ FILE *file = fopen("/etc/group", "re");
	const struct group *entry;

	while (file && (entry = fgetgrent(file)))
		for (char **member = entry->gr_mem; *member; member++)
			if (text_equal(*member, owner->name) &&
			    owner->group_count < ARRAY_SIZE(owner->groups))
				owner->groups[owner->group_count++] = entry->gr_gid;
}

static int become(const struct owner *owner)
{
	if (setgroups(owner->group_count, owner->groups) < 0 ||
	    setresgid(owner->gid, owner->gid, owner->gid) < 0 ||
	    setresuid(owner->uid, owner->uid, owner->uid) < 0)
		return -1;
	return owner->uid != 0 && setresuid(0, 0, 0) == 0 ? -1 : 0;
}

/* libvirt waits for the end of the hook's output: nothing of it is kept. */
static _Noreturn void run_child(const struct owner *owner, const char *name, uint32_t seconds)
{
	static char argv0[] = KEEPER_ARGV0, option[] = TTL_OPTION;
	static char path[] = "PATH=" PROCESS_PATH, locale[] = "LC_ALL=C";
	_cleanup_free_ char *operand = text_dup(name), *time = text_format("%u", seconds);
	char *const argv[] = {argv0, option, operand, time, NULL};
	char *const env[] = {path, locale, NULL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0 || syscall(SYS_close_range, 3U, ~0U, 0U) < 0 ||
	    become(owner) < 0)
		_exit(EX_OSERR);
	execve(HOOK_PATH, argv, env);
	_exit(EX_UNAVAILABLE);
}

int ttl_start(const struct metadata *metadata, struct error *err)
{
	_cleanup_(owner_done) struct owner owner = {.uid = metadata->owner};
	pid_t pid;

	if (!metadata->ttl)
		return 0;
	if (find_user(&owner, err) < 0)
		return -1;
	find_groups(&owner);
	pid = fork();
	if (pid == 0)
		run_child(&owner, metadata->name, metadata->ttl);
	return pid < 0 ? error_errno(err, EX_OSERR, "cannot start what keeps the ttl") : 0;
}

static bool is_timer(pid_t pid, const void *data)
{
	const char *const wanted[] = {KEEPER_ARGV0, TTL_OPTION, data};

	return proc_is_program(pid, "migrant-hook") &&
	       proc_begins_with(pid, wanted, ARRAY_SIZE(wanted), NULL);
}

static int find(const char *name, struct pids *pids, struct error *err)
{
	return proc_find(is_timer, name, pids, err);
}

bool ttl_is_running(const char *name)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_pids_ struct pids pids = {0};

	return find(name, &pids, &ignored) == 0 && pids.count > 0;
}

int ttl_end(const char *name, struct error *err)
{
	_cleanup_pids_ struct pids pids = {0};

	if (find(name, &pids, err) < 0)
		return -1;
	pids_end(&pids);
	return 0;
}

/* Time in which the host sleeps counts. */
static int wait_until_over(uint64_t seconds)
{
	struct timespec end;
	int result;

	if (clock_gettime(CLOCK_BOOTTIME, &end) < 0)
		return -1;
	end.tv_sec += (time_t)seconds;
	do
		result = clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &end, NULL);
	while (result == EINTR);
	return result;
}

/* Does what the owner would, with his environment; true when the sandbox is halted. */
static bool halt(const char *name)
{
	const char *const argv[] = {"migrant", "halt", "--no-hooks", name, NULL};
	_cleanup_error_ struct error ignored = ERROR_INIT;
	struct process process = PROCESS_INIT;
	int status = 0;

	process.argv = argv;
	process.errors = PROCESS_NULL;
	process.directory = "/";
	return process_start(&process, &ignored) == 0 &&
	       process_wait(&process, &status, &ignored) == 0 && status == 0;
}

/* The hook's program begins without an environment. The owner's own process may ask NSS. */
static int take_environment(struct error *err)
{
	const struct passwd *user = getpwuid(getuid());

	if (user && (setenv("HOME", user->pw_dir, 1) < 0 || setenv("USER", user->pw_name, 1) < 0 ||
		     setenv("LOGNAME", user->pw_name, 1) < 0))
		return error_errno(err, EX_OSERR, "cannot set the environment");
	return 0;
}

int ttl_main(const char *name, const char *seconds, struct error *err)
{
	uint64_t number = 0;

	if (!name_is_valid(name) || parse_number(seconds, 1, TTL_MAX, &number) < 0)
		return error_set(err, EX_USAGE, "no sandbox's time");
	if (take_environment(err) < 0)
		return -1;
	/* Another command may hold the sandbox for longer than `halt` waits. */
	for (uint64_t wait = number;; wait = RETRY_SECONDS) {
		if (wait_until_over(wait) != 0)
			return error_set(err, EX_OSERR, "cannot wait");
		if (halt(name))
			return 0;
	}
}
