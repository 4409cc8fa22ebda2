/*
 * The connection to libvirt, shared by domains and storage. Errors of libvirt become ours here.
 */
#ifndef DOMAIN_LIBVIRT_H
#define DOMAIN_LIBVIRT_H

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "base/error.h"

/*
 * Connects to qemu:///system. EX_UNAVAILABLE when no daemon answers, EX_NOPERM when the user is not
 * in group libvirt (or polkit refuses), each with the way out. No libvirt error is printed by
 * itself.
 */
MUST_CHECK int libvirt_connect(virConnectPtr *ret_connection, struct error *err);

/*
 * Fills *err from libvirt's last error of this thread: "context: text". @code is the exit status
 * unless libvirt's error says better (no permission, no space). A hook's own message inside it is
 * cut out and takes over message, code and hint. Returns -1.
 */
int libvirt_error(struct error *err, int code, const char *context);

/* The same from @error, which another thread got; NULL: no reason is known. */
int libvirt_error_of(const virError *error, struct error *err, int code, const char *context);

static inline void cleanup_connection(virConnectPtr *connection)
{
	if (*connection)
		virConnectClose(*connection);
}
#define _cleanup_connection_ _cleanup_(cleanup_connection)

#endif
