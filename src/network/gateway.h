/*
 * The gateway of one sandbox: a network namespace with the guest's wire, a link to the host, a link
 * to the outside, and all rules. See docs/gateway.md for the picture.
 *
 * Everything here runs as root in the host's network namespace, one caller at a time.
 */
#ifndef NETWORK_GATEWAY_H
#define NETWORK_GATEWAY_H

#include <net/if.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/lines.h"
#include "network/policy.h"
#include "tunnel/tunnel.h"
#include "tunnel/wireguard.h"

struct sandbox {
	const char *name; /* validated */
	const char *uuid;
	const char *directory;	 /* root-only files of this sandbox: exists, ends without '/' */
	const struct wire *wire; /* validated */
	const struct policy *policy;
	/* With policy->tunnel, else NULL. The second is needed where the interface is made. */
	const struct tunnel *tunnel;
	const struct wireguard *wireguard;
};

struct gateway {
	char netns[64];
	char tap[IFNAMSIZ];
	char control[IFNAMSIZ];		/* the host's ends */
	char uplink[IFNAMSIZ];		/* with a tunnel it may not be there: uplink_is_needed() */
	char tunnel[IFNAMSIZ];		/* inside */
	struct address control_address; /* the gateway's end: where the host reaches the guest */
};

/*
 * Makes everything but the wire itself: the tap stands in the host's namespace, down, where QEMU
 * will open it. EX_TEMPFAIL when addresses are exhausted, EX_UNAVAILABLE without dnsmasq, EX_CONFIG
 * without a resolver, EX_OSERR. On failure the caller calls gateway_remove().
 */
MUST_CHECK int gateway_prepare(const struct sandbox *sandbox, struct gateway *ret_gateway,
			       struct error *err);

/* Moves the tap, which QEMU holds open now, into the namespace, and opens the wire. */
MUST_CHECK int gateway_start(const struct sandbox *sandbox, struct error *err);

/*
 * Takes away whatever is left of it; tolerates anything half made. Goes on after a failure and
 * reports the first.
 */
MUST_CHECK int gateway_remove(const char *name, const char *directory, struct error *err);

/* Whether some process holds the sandbox's tap open: it runs, or is about to. */
MUST_CHECK int gateway_in_use(const char *name, bool *ret_in_use, struct error *err);

/* What a gateway consists of, by importance: of its isolation, of the host's side, of its services.
 */
struct drift {
	struct lines isolation; /* the sandbox must not run on */
	struct lines host;	/* denied traffic is still stopped, allowed traffic may be */
	struct lines services;	/* dnsmasq */
};
void drift_done(struct drift *drift);
#define _cleanup_drift_ _cleanup_(drift_done)

/* Remembers the gateway as it is now, and compares it with what was remembered. */
MUST_CHECK int gateway_remember(const char *name, const char *directory, struct error *err);
MUST_CHECK int gateway_verify(const char *name, const char *directory, struct drift *ret_drift,
			      struct error *err);

/*
 * Puts sandbox->policy into force in a gateway that is in use: the rules in one transaction,
 * dnsmasq when its configuration changes, the host's side as after `prepare`. Connections that are
 * no longer allowed end. EX_NOINPUT when the gateway is not there. When the rules cannot be loaded,
 * those from before are in force; when a later step fails, the new ones.
 */
MUST_CHECK int gateway_apply(const struct sandbox *sandbox, struct error *err);

/*
 * Whether links, addresses, routes and settings are as remembered, whatever the rules are; and
 * remembering the rules alone.
 */
MUST_CHECK int gateway_links_whole(const char *name, const char *directory, bool *ret_whole,
				   struct error *err);
MUST_CHECK int gateway_remember_rules(const char *name, const char *directory, struct error *err);

/* Makes a tunnel again that has gone, in a gateway that is in use. Nothing without a tunnel. */
MUST_CHECK int gateway_repair_tunnel(const struct sandbox *sandbox, struct error *err);

/* Makes the host's side whole. */
MUST_CHECK int gateway_repair_host(struct error *err);

/* The same, and starts dnsmasq again when it does not run. */
MUST_CHECK int gateway_repair(const char *name, const char *directory, struct error *err);

/* The rules as loaded in the namespace. EX_NOINPUT when there is no such namespace. */
MUST_CHECK int gateway_rules(const char *name, char **ret_text, struct error *err);

/* Name of the namespace; the caller frees. */
char *gateway_netns(const char *name);

/* Prefix and first eight digits of the UUID. */
void gateway_link(const char *prefix, const char *uuid, char link[IFNAMSIZ]);

#endif
