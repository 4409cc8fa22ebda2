/*
 * From policy to nft text. Pure; golden tests show every rule.
 */
#ifndef NETWORK_RULES_H
#define NETWORK_RULES_H

#include <sys/types.h>

#include "base/strbuf.h"
#include "network/policy.h"
#include "network/template.h"

/* Interface names: a prefix of three letters and eight hex digits of the UUID. */
#define LINK_TAP	   "mgt"
#define LINK_CONTROL	   "mgc" /* host's end of the control link */
#define LINK_UPLINK_CLOSED "mgu" /* host's end of an isolated sandbox's uplink */
#define LINK_UPLINK_OPEN   "mgo" /* … of one with `isolate: false` */

/* Inside, the other ends have the same names everywhere. */
#define INSIDE_CONTROL "control"
#define INSIDE_UPLINK  "uplink"

/* Marks of packets in the host's namespace, see docs/gateway.md. */
#define MARK_WAY    0x6d670001U /* may use the routes of the uplinks */
#define MARK_DIRECT 0x6d670002U /* look up without the default route */

struct rules {
	const char *tap;
	const struct wire *wire;
	const struct policy *policy;
	const struct prefix *pool;	/* of all sandboxes */
	const struct prefix *block;	/* of this one */
	const struct prefix_list *host; /* what the host has and is connected to, or NULL */
	uid_t dnsmasq_uid;
};

/* The gateway's rules, and those of the guest's wire. */
void rules_gateway(const struct rules *rules, struct strbuf *output);
void rules_wire(const struct rules *rules, struct strbuf *output);

/* The host's, which are the same for all sandboxes. */
void rules_host(const struct prefix *pool, struct strbuf *output);

#endif
