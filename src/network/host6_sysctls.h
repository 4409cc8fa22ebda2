/*
 * The host as an IPv6 router, for as long as a sandbox needs it: sysctls, set and restored.
 */
#ifndef NETWORK_HOST6_SYSCTLS_H
#define NETWORK_HOST6_SYSCTLS_H

#include "base/netlink.h"

/* Sets them, having written down what was there. EX_CONFIG when the kernel has no IPv6. */
MUST_CHECK int host6_sysctls_set(struct netlink *netlink, struct error *err);

/* Gives back what was there; links that have gone are passed over. Never set is fine. */
MUST_CHECK int host6_sysctls_restore(struct error *err);

/* One line for each that is not as it was set. */
void host6_sysctls_drift(void (*add)(void *data, const char *line), void *data);

#endif
