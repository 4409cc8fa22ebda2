/*
 * The one place that opens a connection to libvirt and that turns its errors into ours, so that
 * every command says the same about a daemon that is not there, a user who may not use it, a full
 * disk, or a start that our own hook refused.
 */
#include "domain/libvirt.h"

#include <libvirt/virterror.h>
#include <string.h>

#include "base/text.h"
#include "hook/protocol.h"

#define LIBVIRT_URI "qemu:///system"

/* libvirt prints every error to stderr unless it is given a function: we show one error, our own.
 */
static void ignore_error(void *data, virErrorPtr error)
{
	(void)data;
	(void)error;
}

static bool is_no_space(const virError *error)
{
	bool is_errno = error->code == VIR_ERR_SYSTEM_ERROR && error->int1 == ENOSPC;

	/* what a child of the daemon (qemu-img) says comes as text only */
	return is_errno || (error->message && strstr(error->message, "No space left on device"));
}

static bool is_no_permission(const virError *error)
{
	switch (error->code) {
	case VIR_ERR_AUTH_FAILED:
	case VIR_ERR_AUTH_CANCELLED:
	case VIR_ERR_AUTH_UNAVAILABLE:
	case VIR_ERR_ACCESS_DENIED:
	case VIR_ERR_OPERATION_DENIED:
		return true;
	case VIR_ERR_SYSTEM_ERROR:
		return error->domain == VIR_FROM_RPC &&
		       (error->int1 == EACCES || error->int1 == EPERM);
	default:
		return false;
	}
}

/* The daemon is not there, or was and has gone away in the middle of a call. */
static bool is_no_daemon(const virError *error)
{
	switch (error->code) {
	case VIR_ERR_NO_CONNECT:
	case VIR_ERR_INVALID_CONN:
	case VIR_ERR_RPC:
		return true;
	case VIR_ERR_SYSTEM_ERROR:
		return error->domain == VIR_FROM_RPC;
	default:
		return false;
	}
}

static int set_code(struct error *err, const virError *error)
{
	if (is_no_space(error)) {
		err->code = EX_IOERR;
		err->err = ENOSPC;
		return error_hint(err, "free some space (df -h /var/lib/libvirt/images), "
				       "'migrant box prune' removes unused boxes");
	}
	if (is_no_permission(error)) {
		err->code = EX_NOPERM;
		return error_hint(err, "join the group: sudo usermod -aG libvirt $USER, "
				       "then log out and in again (or: newgrp libvirt)");
	}
	if (is_no_daemon(error)) {
		err->code = EX_UNAVAILABLE;
		return error_hint(err, "start it: sudo systemctl start libvirtd (or virtqemud), "
				       "without systemd: sudo libvirtd -d; "
				       "'migrant doctor' looks at the whole host");
	}
	if (error->code == VIR_ERR_OPERATION_TIMEOUT)
		err->code = EX_TEMPFAIL;
	return -1;
}

int libvirt_error(struct error *err, int code, const char *context)
{
	return libvirt_error_of(virGetLastError(), err, code, context);
}

int libvirt_error_of(const virError *error, struct error *err, int code, const char *context)
{
	if (!error)
		return error_set(err, code, "%s: libvirt gives no reason", context);
	if (error->message && error_from_hook(error->message, err))
		return error_prefix(err, "%s", context);
	error_set(err, code, "%s: %s", context, error->message ? error->message : "unknown error");
	if (error->code == VIR_ERR_SYSTEM_ERROR)
		err->err = error->int1;
	return set_code(err, error);
}

int libvirt_connect(virConnectPtr *ret_connection, struct error *err)
{
	virConnectPtr connection;

	virSetErrorFunc(NULL, ignore_error);
	if (virInitialize() < 0)
		return libvirt_error(err, EX_UNAVAILABLE, "cannot use libvirt");
	connection = virConnectOpen(LIBVIRT_URI);
	if (!connection)
		return libvirt_error(err, EX_UNAVAILABLE, "cannot connect to libvirt");
	*ret_connection = connection;
	return 0;
}
