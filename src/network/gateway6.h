/*
 * The IPv6 half of a gateway, switched on and off as one thing: at the start of a sandbox with
 * `ipv6: nat`, and when the policy of a running one changes. Rules are network/rules.h's.
 */
#ifndef NETWORK_GATEWAY6_H
#define NETWORK_GATEWAY6_H

#include "network/policy.h"
#include "network/wiring.h"

/* What it works on. */
struct gateway6 {
	struct wiring wiring;
	const char *uplink; /* the host's end of it */
	const char *tap;
	const char *tunnel;
	const struct mac *guest_mac;
	const struct policy *policy;
};

/*
 * The host's side and the uplink; then, once the tap is in the namespace, the wire. What is open
 * already stays so. EX_CONFIG when the host has no IPv6, EX_OSERR.
 */
MUST_CHECK int gateway6_open_uplink(const struct gateway6 *gateway, struct error *err);
MUST_CHECK int gateway6_open_wire(const struct gateway6 *gateway, struct error *err);

/* The host's half of the first alone, of an uplink that is there. */
MUST_CHECK int gateway6_open_outside(const struct gateway6 *gateway, struct error *err);

/* Takes every IPv6 address and route away, and the host's side with the last sandbox that has one.
 */
MUST_CHECK int gateway6_close(const struct gateway6 *gateway, struct error *err);

#endif
