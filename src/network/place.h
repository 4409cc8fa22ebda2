/*
 * Where one gateway stands: what its rules and its dnsmasq's configuration are made of besides its
 * policy. `prepare` chooses the addresses and writes them down; another policy keeps them.
 */
#ifndef NETWORK_PLACE_H
#define NETWORK_PLACE_H

#include <sys/types.h>

#include "base/error.h"
#include "base/netlink.h"
#include "network/gateway.h"
#include "network/rules.h"

struct place {
	struct prefix pool;  /* of all sandboxes */
	struct prefix block; /* of this one */
	struct surroundings host;
	const char *dnsmasq_user;
	uid_t dnsmasq_uid;
};
void place_done(struct place *place);

/* Pool and block, in the file "place" of the sandbox's directory. EX_NOINPUT without the file. */
MUST_CHECK int place_store(const struct place *place, const char *directory, struct error *err);
MUST_CHECK int place_load(const char *directory, struct place *place, struct error *err);

/* The gateway's rules, and with @wire those of the guest's wire, which has to be there then. */
void place_rules(const struct place *place, const struct sandbox *sandbox, bool wire,
		 struct strbuf *output);

/* dnsmasq's configuration; the caller frees. EX_CONFIG without a resolver that it could ask. */
MUST_CHECK int place_dnsmasq(const struct place *place, const struct sandbox *sandbox,
			     char **ret_text, struct error *err);

#endif
