/*
 * A policy's grants as elements of the rules' sets. Pure.
 */
#ifndef NETWORK_GRANTS_H
#define NETWORK_GRANTS_H

#include "network/policy.h"
#include "network/template.h"

/* By what a packet is compared with. */
struct grant_sets {
	struct element_list lan;       /* any port of an address */
	struct element_list lan_ports; /* one port of an address */
	struct element_list host;      /* ports of the gateway that stand for the host's */
	struct element_list forward;   /* … for one beyond */
	/* … which lies on the uplink's side, or in the tunnel */
	struct element_list outside, through;
	/* the same for IPv6 addresses */
	struct element_list lan6, lan_ports6, forward6, outside6, through6;
	struct element_list all;
};

void grant_sets_collect(const struct policy *policy, struct grant_sets *sets);
void grant_sets_done(struct grant_sets *sets);

#endif
