/*
 * From policy to nft text. Pure; golden tests show every rule.
 */
#ifndef NETWORK_RULES_H
#define NETWORK_RULES_H

#include <sys/types.h>

#include "base/strbuf.h"
#include "network/policy.h"
#include "network/template.h"
#include "tunnel/tunnel.h"

/* Interface names: a prefix of three letters and eight hex digits of the UUID. */
#define LINK_TAP     "mgt"
#define LINK_CONTROL "mgc" /* host's end of the control link */
#define LINK_UPLINK  "mgu" /* host's end of the uplink */

/* Inside, the other ends have the same names everywhere. */
#define INSIDE_CONTROL "control"
#define INSIDE_UPLINK  "uplink"

/* Marks of packets in the host's namespace, see docs/gateway.md. */
#define MARK_WAY    0x6d670001U /* may use the routes of the uplinks */
#define MARK_DIRECT 0x6d670002U /* look up without the default route */
#define MARK_LOCAL  0x6d670003U /* IPv6: look up what is the host's own */

/*
 * Marks of connections inside a gateway: what allows them. A grant's own has MARK_GRANTED set and
 * is made of what it says, so that it is the same in every policy that has the grant.
 */
#define MARK_OPEN    0x00000001U	 /* the Internet */
#define MARK_CONTROL 0x00000003U	 /* the host to the guest */
#define MARK_GRANTED 0x80000000U	 /* leaves under BLOCK_UPLINK_GRANTED */
#define MARK_PRIVATE (MARK_GRANTED | 2U) /* `isolate: false` */
uint32_t rules_grant_mark(const struct policy_grant *grant);

/* What the host is and has, when the rules are rendered. */
struct surroundings {
	struct prefix_list own;	 /* its addresses */
	struct prefix_list near; /* what it reaches other than by its default route */
};
void surroundings_done(struct surroundings *surroundings);

struct rules {
	const char *tap;
	const struct wire *wire;
	const struct policy *policy;
	const struct prefix *pool;  /* of all sandboxes */
	const struct prefix *block; /* of this one */
	const struct surroundings *host;
	uid_t dnsmasq_uid;
	/* with policy->tunnel: */
	const char *tunnel_link;
	const struct tunnel *tunnel;
};

/*
 * Whom dnsmasq asks: the policy's resolvers, or those of its tunnel, as far as there is a way to
 * them. None: the host's own, or with a tunnel nobody.
 */
#define RULES_RESOLVERS_MAX 8
size_t rules_resolvers(const struct policy *policy, const struct tunnel *tunnel,
		       struct address ret_resolvers[RULES_RESOLVERS_MAX]);

/* Where the guest gets nowhere, grants considered: what no answer to its questions may point to. */
void rules_closed(const struct rules *rules, struct prefix_list *list);

/* The gateway's rules, and those of the guest's wire. */
void rules_gateway(const struct rules *rules, struct strbuf *output);
void rules_wire(const struct rules *rules, struct strbuf *output);

/* The host's, which are the same for all sandboxes. */
void rules_host(const struct prefix *pool, struct strbuf *output);

#endif
