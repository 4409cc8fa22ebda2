/*
 * The gateway's DHCP and DNS server: one static lease, names by policy, unprivileged.
 */
#ifndef NETWORK_DNSMASQ_H
#define NETWORK_DNSMASQ_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "network/policy.h"
#include "network/template.h"
#include "tunnel/tunnel.h"

struct dnsmasq {
	const char *link;	 /* the tap */
	const char *user;	 /* whom it runs as */
	const char *resolv_file; /* followed when neither policy nor tunnel names a resolver */
	const struct wire *wire;
	const struct policy *policy;
	const struct tunnel *tunnel;	  /* with policy->tunnel */
	const struct prefix_list *closed; /* where no answer may point to */
};

/* Its configuration file, pure. The caller frees. */
char *dnsmasq_config(const struct dnsmasq *dnsmasq);

/* The unprivileged user: "dnsmasq", else "nobody". EX_OSERR when /etc/passwd has neither. */
MUST_CHECK int dnsmasq_user(const char **ret_user, uid_t *ret_uid, struct error *err);

/* Starts it in the namespace @netns. EX_UNAVAILABLE when it is not installed. */
MUST_CHECK int dnsmasq_start(int netns, const char *config_file, struct error *err);

/* Ends every process that was started with that configuration. */
MUST_CHECK int dnsmasq_stop(const char *config_file, struct error *err);

/* Whether it runs in the namespace. */
MUST_CHECK int dnsmasq_is_running(int netns, bool *ret_running, struct error *err);

#endif
