/*
 * Named network namespaces, as iproute2 keeps them: a mount in /run/netns (see ip-netns(8)).
 */
#ifndef NETWORK_NETNS_H
#define NETWORK_NETNS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/proc.h"

/* Makes an empty namespace and opens it. EX_OSERR. */
MUST_CHECK int netns_create(const char *name, int *ret_fd, struct error *err);

/* Opens it; *ret_fd is -1 when there is none of that name. EX_OSERR on anything but absence. */
MUST_CHECK int netns_open(const char *name, int *ret_fd, struct error *err);

/* Takes the name away. The namespace goes when its last process and mount have. Absent is fine. */
MUST_CHECK int netns_remove(const char *name, struct error *err);

/*
 * Being inside for a while: netns_enter() moves the calling thread, the scope's end moves it back
 * (and aborts if that fails: nothing may be done in the wrong namespace).
 */
struct netns_scope {
	int home; /* -1: not entered */
};
#define NETNS_SCOPE_INIT \
	{                \
		-1       \
	}
MUST_CHECK int netns_enter(struct netns_scope *scope, int fd, struct error *err);
void netns_leave(struct netns_scope *scope);
#define _cleanup_netns_ _cleanup_(netns_leave)

/* Adds the processes whose network namespace is @fd's. */
MUST_CHECK int netns_processes(int fd, struct pids *pids, struct error *err);

/* Writes or reads /proc/sys/@path in the current namespace. -1 with errno. */
MUST_CHECK int sysctl_write(const char *path, const char *value);
MUST_CHECK int sysctl_read(const char *path, char *buffer, size_t size);

#endif
