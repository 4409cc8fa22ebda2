/*
 * What migrant-virtiofsd does: takes every right away from itself and becomes virtiofsd.
 */
#ifndef SHARE_SERVE_H
#define SHARE_SERVE_H

#include "base/error.h"
#include "share/share.h"

/* What libvirt asks virtiofsd to do, as far as it may. */
struct serving {
	char *name;	 /* of the sandbox */
	size_t index;	 /* of the share */
	int socket;	 /* where QEMU connects */
	char *options;	 /* further options, "cache=auto,no_flock" */
	char *pool_size; /* of threads, or NULL */
};

/*
 * Reads the command line that libvirt gives to a virtiofsd: --fd=N, --thread-pool-size=N and
 * -o source=…,…; EX_USAGE for anything else. Pure.
 */
MUST_CHECK int serving_parse(int argc, char *const *argv, struct serving *ret_serving,
			     struct error *err);
void serving_done(struct serving *serving);

/* EX_UNAVAILABLE when there is no virtiofsd on this host; for who would start a guest in vain. */
MUST_CHECK int serve_check(struct error *err);

/* What `ps` shows of the virtiofsd of a share, as its first argument. The caller frees. */
char *serve_title(const char *name, size_t index);

/* Never returns but with an error. */
MUST_CHECK int serve(const struct serving *serving, struct error *err);

#endif
