/*
 * The guest's wire: which addresses may stand on it. Pure checks that both the program and the root
 * side make.
 */
#ifndef NETWORK_WIRE_H
#define NETWORK_WIRE_H

#include "base/error.h"
#include "network/policy.h"

/* The gateway's end of every wire; the same everywhere, so that a restored guest's ARP cache holds.
 */
#define GATEWAY_MAC "52:54:00:6d:67:01"
/* What the guest's NIC has unless somebody chose otherwise. */
#define GUEST_MAC "52:54:00:6d:67:02"

/*
 * The same in IPv6 (RFC 4193, beside BLOCK_POOL6), on every wire: the guest has its address whether
 * the policy lets it be used or not.
 */
#define WIRE6_GUEST   "fd6d:6967:7261:ffff::2"
#define WIRE6_GATEWAY "fd6d:6967:7261:ffff::1"
#define WIRE6_LINK    "fe80::1" /* the gateway's link-local address */
#define WIRE6_LENGTH  64

/*
 * EX_DATAERR unless it is a private IPv4 prefix (RFC 1918) of at most 30 bits with two different
 * host addresses in it, and a unicast MAC that is not the gateway's.
 */
MUST_CHECK int wire_validate(const struct wire *wire, struct error *err);

/* True for an IPv4 address that one host can have: not 0/8, loopback, multicast or above. */
bool wire_is_unicast(const struct address *address);

/* The network of the wire, host bits cleared. */
struct prefix wire_prefix(const struct wire *wire);

/* One text by which two wires are compared; the caller frees. */
char *wire_canonical(const struct wire *wire);

#endif
