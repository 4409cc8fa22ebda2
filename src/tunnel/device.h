/*
 * The WireGuard interface itself, of the kernel where it has one, else of wireguard-go.
 */
#ifndef TUNNEL_DEVICE_H
#define TUNNEL_DEVICE_H

#include "base/netlink.h"
#include "tunnel/wireguard.h"

struct tunnel_device {
	const char *owner; /* the sandbox's namespace: the link's alias, the process's name */
	const char *link;
	uint32_t mtu;
	const struct wireguard *wireguard;
};

/*
 * Makes it in the network namespace of @netlink and the caller, which is where its encrypted
 * packets leave from then on, wherever it is moved: down, with keys and peers. EX_UNAVAILABLE when
 * there is neither kind of WireGuard, EX_OSERR. On failure the caller calls tunnel_program_end().
 */
MUST_CHECK int tunnel_device_make(struct netlink *netlink, const struct tunnel_device *device,
				  struct error *err);

#endif
