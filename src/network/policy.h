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

#include "base/error.h"
#include "base/parse.h"
#include "base/strbuf.h"

#define POLICY_DNS_MAX	 8
#define POLICY_GRANT_MAX 256
#define POLICY_PORT_MAX	 64

enum policy_egress {
	POLICY_EGRESS_OPEN, /* the Internet */
	POLICY_EGRESS_NONE, /* only what the grants name; no DNS question goes upstream */
};

enum policy_grant_kind {
	GRANT_HOST,    /* a service of the host, at the gateway's address */
	GRANT_LAN,     /* an address beyond, or one port of it */
	GRANT_FORWARD, /* the gateway's port, mapped to one port beyond */
};

/* "open" or "none". */
const char *policy_egress_name(enum policy_egress egress);

/* One exception to the isolation. */
struct policy_grant {
	enum policy_grant_kind kind;
	uint8_t protocol;	/* IPPROTO_TCP or IPPROTO_UDP; GRANT_LAN without a port: 0, any */
	uint16_t port;		/* of the gateway, or of the address; 0 with protocol 0 */
	struct address address; /* GRANT_LAN, GRANT_FORWARD: the target */
	uint16_t target_port;	/* GRANT_FORWARD */
	bool via_tunnel;	/* GRANT_FORWARD */
};

/* A TCP port of the host at which a port of the guest is reached. */
struct policy_port {
	struct address bind;
	uint16_t host, guest;
};

struct policy_limits {
	uint32_t connections; /* open at once */
	uint32_t new_per_second;
	uint32_t dns_per_second;
};
/* The most that each may be. */
#define POLICY_CONNECTIONS_MAX 1048576
#define POLICY_NEW_MAX	       1000000
#define POLICY_DNS_RATE_MAX    100000

/* What the Migrantfile's `limits` default to. */
#define POLICY_LIMITS_DEFAULT                                                     \
	{                                                                         \
		.connections = 4096, .new_per_second = 500, .dns_per_second = 50, \
	}

struct policy {
	bool isolate; /* false: private ranges are open (never the host or a sandbox) */
	bool ipv6; /* the guest has IPv6, translated on its way out; else no packet of it passes */
	bool tunnel; /* the only way out is a tunnel, but for grants that do not say so */
	enum policy_egress egress;
	struct address dns[POLICY_DNS_MAX]; /* upstream resolvers; none: the host's own */
	size_t dns_count;
	struct policy_grant grants[POLICY_GRANT_MAX];
	size_t grant_count;
	struct policy_port ports[POLICY_PORT_MAX];
	size_t port_count;
	struct policy_limits limits;
};

/* The addresses on the guest's wire, the same in every sandbox unless the host uses the range. */
struct wire {
	struct mac guest_mac;
	struct address guest;	/* IPv4 */
	struct address gateway; /* IPv4, in the same prefix */
	unsigned int length;	/* prefix length */
};

/*
 * EX_DATAERR, naming what, unless the policy can be made real: addresses that one host can have, no
 * reserved port (53, 67, 68) of the gateway, no endpoint claimed twice, IPv6 only with `ipv6`,
 * limits above zero. Pure.
 */
MUST_CHECK int policy_validate(const struct policy *policy, struct error *err);

/*
 * What no grant can name, and the rules drop before they look at grants: no machine, every machine,
 * this machine, or the service of a cloud that hands out its secrets.
 */
extern const char *const policy_never[];
extern const size_t policy_never_count;

/* The parts of it: what a grant may name, and where a port may be bound. */
bool policy_is_target(const struct address *address);
bool policy_is_bind(const struct address *address);

/* True when both claim the same port of the gateway, or one allows what the other does. */
bool policy_grants_collide(const struct policy_grant *a, const struct policy_grant *b);
/* True when the host may be able to bind only one of them. */
bool policy_ports_collide(const struct policy_port *a, const struct policy_port *b);

/*
 * The policy in words for people, one line each ("the Internet is open", "allowed: tcp/8080 of the
 * host, at 10.213.0.1:8080"). Pure.
 */
void policy_describe(const struct policy *policy, const struct wire *wire, struct strbuf *output);

/*
 * One text by which two policies are compared: equal texts, equal policies. A line for everything,
 * grants and ports in a fixed order. Pure. The line of a grant alone, without the newline, is the
 * grant's identity.
 */
void policy_canonical(const struct policy *policy, struct strbuf *output);
void policy_grant_canonical(const struct policy_grant *grant, struct strbuf *output);
/* [ADDRESS]:HOST:GUEST, as a Migrantfile says it. */
void policy_port_canonical(const struct policy_port *port, struct strbuf *output);
bool policy_equal(const struct policy *a, const struct policy *b);

/*
 * Reads what policy_canonical() writes, and validates it. EX_DATAERR names the line; *ret_policy is
 * untouched then.
 */
MUST_CHECK int policy_parse(const char *text, struct policy *ret_policy, struct error *err);

#endif
