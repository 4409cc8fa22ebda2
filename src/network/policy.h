/*
 * The network policy of one sandbox: plain data between the Migrantfile and the gateway.
 *
 * The program makes it from struct config, writes it into the domain's metadata (hook/protocol.h),
 * and the hook reads it back and makes it real. What the hook gets may have been written by anybody
 * in group libvirt, so reading validates everything again.
 */
#ifndef NETWORK_POLICY_H
#define NETWORK_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/parse.h"

#define POLICY_DNS_MAX 8

struct policy {
	bool isolate; /* false: private ranges are open (never the host or a sandbox) */
	struct address dns[POLICY_DNS_MAX]; /* upstream resolvers; none: the host's own */
	size_t dns_count;
};

/* The addresses on the guest's wire, the same in every sandbox unless the host uses the range. */
struct wire {
	struct mac guest_mac;
	struct address guest;	/* IPv4 */
	struct address gateway; /* IPv4, in the same prefix */
	unsigned int length;	/* prefix length */
};

#endif
