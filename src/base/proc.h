/* Finding processes in /proc. */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct pids {
	pid_t *items;
	size_t count;
};
void pids_done(struct pids *pids);
#define _cleanup_pids_ _cleanup_(pids_done)

void pids_add(struct pids *pids, pid_t pid);

/* Adds all processes, but our own, for which @matches says true. EX_OSERR without /proc. */
MUST_CHECK int proc_find(bool (*matches)(pid_t pid, const void *data), const void *data,
			 struct pids *pids, struct error *err);

/*
 * True when @pid runs the program @name, by the last part of its path (/usr/sbin may be a link),
 * also when an upgrade has replaced its file meanwhile.
 */
bool proc_is_program(pid_t pid, const char *name);

/*
 * True when @pid was started with these @count arguments first, *ret_is_all (may be NULL): and with
 * no more. A process can write there what it wants: proc_is_program() tells whose it is.
 */
bool proc_begins_with(pid_t pid, const char *const *wanted, size_t count, bool *ret_is_all);

/* Kills them, and waits for each to be gone. */
void pids_end(const struct pids *pids);

#endif
