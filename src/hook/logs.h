/*
 * The logs that libvirt keeps of a sandbox: QEMU's own and the serial console's.
 */
#ifndef HOOK_LOGS_H
#define HOOK_LOGS_H

#include "base/error.h"
#include "base/strbuf.h"

/*
 * The last part of what the guest has printed on its console since it was started, at most @max
 * bytes: hostile, and for its user's eyes. EX_NOINPUT when there is none, EX_IOERR.
 */
MUST_CHECK int logs_console(const char *name, size_t max, struct strbuf *text, struct error *err);

/* Removes them with their rotated parts. Absent is fine. EX_IOERR. */
MUST_CHECK int logs_remove(const char *name, struct error *err);

#endif
