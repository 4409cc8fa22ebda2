/*
 * Telling a keeper from other processes. A process's number may be another's tomorrow, and anybody
 * can give a process of theirs any command line: what is trusted is a note of root's with number
 * and start time. What merely looks like a keeper is only ever ended, as after a kill -9 of the
 * hook, which leaves one that nobody noted.
 */
#include "hook/keeper_process.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/text.h"
#include "hook/keeper.h"
#include "base/proc.h"

#define END_TIMEOUT_MS 5000
#define STAT_MAX       4096
#define STAT_STATE     3 /* the fields of /proc/PID/stat, counted from 1: proc(5) */
#define STAT_START     22

/* When the process was started, in ticks since boot. -1 when there is none, or only its remains. */
static int read_start(pid_t pid, uint64_t *ret_start)
{
	_cleanup_free_ char *path = text_format("/proc/%d/stat", (int)pid);
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = NULL;
	char *at;

	if (file_read(AT_FDCWD, path, STAT_MAX, &text, NULL, &err) < 0)
		return -1;
	at = strrchr(text, ')'); /* the second field, in parentheses, may hold anything */
	if (!at || !text_starts(at, ") ") || at[2] == 'Z' || at[2] == 'X')
		return -1;
	at += 2;
	for (int field = STAT_STATE; field < STAT_START; field++) {
		at += strcspn(at, " ");
		at += *at == ' ';
	}
	at[strcspn(at, " ")] = '\0';
	return parse_number(at, 0, UINT64_MAX, ret_start);
}

int keeper_note(const char *name, pid_t pid, struct error *err)
{
	_cleanup_free_ char *path = text_format(RUN_DIR "/%s/" KEEPER_PID_FILE, name);
	_cleanup_free_ char *text = NULL;
	uint64_t start = 0;

	if (read_start(pid, &start) < 0)
		return error_set(err, EX_OSERR, "the keeper has ended");
	text = text_format("%d %" PRIu64 "\n", (int)pid, start);
	return file_replace(AT_FDCWD, path, text, strlen(text), 0600, err);
}

static bool read_note(const char *name, pid_t *ret_pid, uint64_t *ret_start)
{
	_cleanup_free_ char *path = text_format(RUN_DIR "/%s/" KEEPER_PID_FILE, name);
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = NULL;
	uint64_t pid;
	char *start;

	if (file_read(AT_FDCWD, path, STAT_MAX, &text, NULL, &err) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	start = strchr(text, ' ');
	if (!start)
		return false;
	*start++ = '\0';
	if (parse_number(text, 1, INT32_MAX, &pid) < 0 ||
	    parse_number(start, 0, UINT64_MAX, ret_start) < 0)
		return false;
	*ret_pid = (pid_t)pid;
	return true;
}

int keeper_open_noted(const char *name)
{
	uint64_t noted = 0, found = 0;
	_cleanup_close_ int fd = -1;
	pid_t pid;

	if (!read_note(name, &pid, &noted))
		return -1;
	/* The start time is read when the process cannot turn into another any more. */
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0 || read_start(pid, &found) < 0 || found != noted)
		return -1;
	return take_fd(&fd);
}

/* Sends SIGKILL: a keeper has nothing to put in order. */
static void end(int pidfd)
{
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0)
		(void)poll(&poll_fd, 1, END_TIMEOUT_MS);
}

static bool is_keeper(pid_t pid, const void *data)
{
	const char *const wanted[] = {KEEPER_ARGV0, KEEPER_OPTION, data};
	bool is_all = false;

	return proc_is_program(pid, "migrant-hook") &&
	       proc_begins_with(pid, wanted, ARRAY_SIZE(wanted), &is_all) && is_all;
}

int keeper_end_others(const char *name, pid_t spared, struct error *err)
{
	_cleanup_close_ int noted = spared ? -1 : keeper_open_noted(name);
	_cleanup_pids_ struct pids pids = {0};

	if (noted >= 0)
		end(noted);
	if (proc_find(is_keeper, name, &pids, err) < 0)
		return -1;
	for (size_t i = 0; i < pids.count; i++) {
		_cleanup_close_ int fd = -1;

		if (pids.items[i] == spared)
			continue;
		fd = (int)syscall(SYS_pidfd_open, pids.items[i], 0);
		/* Once more, now that its number can no longer become another's. */
		if (fd >= 0 && is_keeper(pids.items[i], name))
			end(fd);
	}
	return 0;
}
