/*
 * wireguard-go, which stands in for the kernel's WireGuard: one process per sandbox, in the host's
 * network namespace, where its encrypted packets leave. Its interface is gone when it ends.
 */
#ifndef TUNNEL_PROGRAM_H
#define TUNNEL_PROGRAM_H

#include <stdbool.h>

#include "base/error.h"

/*
 * Starts one that makes the interface @link. @owner tells whose it is, and the process is found by
 * it again. The socket that `wg` talks to it by is there when this returns; whether it works, `wg`
 * finds out. EX_UNAVAILABLE when it is not installed, EX_OSERR.
 */
MUST_CHECK int tunnel_program_start(const char *owner, const char *link, struct error *err);

/* Ends those of @owner, and clears sockets on which nobody listens any more. */
MUST_CHECK int tunnel_program_end(const char *owner, struct error *err);

/* Whether @link was made by one; it need not run any more. */
bool tunnel_program_made(const char *link);
MUST_CHECK int tunnel_program_is_running(const char *owner, bool *ret_running, struct error *err);

#endif
