/*
 * A process that has gone between two looks at /proc matches nothing: that is no error.
 */
#include "network/proc.h"

#include "base/parse.h"
#include "base/text.h"

void pids_done(struct pids *pids)
{
	free(pids->items);
	*pids = (struct pids){0};
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
		pids->items = xreallocarray(pids->items, pids->count + 1, sizeof(pid));
		pids->items[pids->count++] = pid;
	}
	return 0;
}
