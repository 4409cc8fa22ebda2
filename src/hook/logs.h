/*
 * The logs that libvirt keeps of a sandbox: QEMU's own and the serial console's.
 */
#ifndef HOOK_LOGS_H
#define HOOK_LOGS_H

#include "base/error.h"

/* Removes them with their rotated parts. Absent is fine. EX_IOERR. */
MUST_CHECK int logs_remove(const char *name, struct error *err);

#endif
