/*
 * A process that has gone between two looks at /proc matches nothing: that is no error.
 */
#include "base/proc.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/text.h"

#define KILL_TIMEOUT_MS 5000
#define CMDLINE_MAX	4096 /* of a process of ours */

void pids_done(struct pids *pids)
{
	free(pids->items);
	*pids = (struct pids){0};
}

void pids_add(struct pids *pids, pid_t pid)
{
	pids->items = xreallocarray(pids->items, pids->count + 1, sizeof(pid));
	pids->items[pids->count++] = pid;
}

int proc_find(bool (*matches)(pid_t pid, const void *data), const void *data, struct pids *pids,
	      struct error *err)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	const struct dirent *entry;

	if (!proc)
		return error_errno(err, EX_OSERR, "/proc");
	while ((entry = readdir(proc))) {
		uint64_t number;
		pid_t pid;

		if (parse_number(entry->d_name, 1, INT32_MAX, &number) < 0)
			continue;
		pid = (pid_t)number;
		if (pid == getpid() || !matches(pid, data))
			continue;
		pids_add(pids, pid);
	}
	return 0;
}

bool proc_is_program(pid_t pid, const char *name)
{
	_cleanup_free_ char *path = text_format("/proc/%d/exe", (int)pid);
	_cleanup_free_ char *end = text_format("/%s", name);
	_cleanup_free_ char *replaced = text_format("/%s (deleted)", name);
	char target[256];
	ssize_t length = readlink(path, target, sizeof(target) - 1);

	if (length <= 0)
		return false;
	target[length] = '\0';
	return text_ends(target, end) || text_ends(target, replaced);
}

bool proc_begins_with(pid_t pid, const char *const *wanted, size_t count, bool *ret_is_all)
{
	_cleanup_free_ char *path = text_format("/proc/%d/cmdline", (int)pid);
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_free_ char *arguments = NULL;
	size_t length = 0, at = 0;

	if (file_read(AT_FDCWD, path, CMDLINE_MAX, &arguments, &length, &ignored) < 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (at >= length || !text_equal(arguments + at, wanted[i]))
			return false;
		at += strlen(arguments + at) + 1;
	}
	if (ret_is_all)
		*ret_is_all = at == length;
	return true;
}

static void end_process(pid_t pid)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	if (fd < 0)
		return;
	if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0)
		(void)poll(&poll_fd, 1, KILL_TIMEOUT_MS);
}

void pids_end(const struct pids *pids)
{
	for (size_t i = 0; i < pids->count; i++)
		end_process(pids->items[i]);
}
