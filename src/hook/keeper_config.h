/* The keeper's orders, as the hook writes them into RUN_DIR/NAME/keeper.json. */
#ifndef HOOK_KEEPER_CONFIG_H
#define HOOK_KEEPER_CONFIG_H

#include "base/error.h"
#include "hook/protocol.h"

#define KEEPER_CONFIG_FILE "keeper.json"

/* A port of the gateway behind which is the same port of the host. */
struct keeper_grant {
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t port;
};

struct keeper_config {
	uid_t owner;
	struct address guest;	/* whose connections are taken */
	struct address gateway; /* where grants are listened for, inside the namespace */
	struct address control; /* where the guest is reached from the host */
	struct keeper_grant grants[POLICY_GRANT_MAX];
	size_t grant_count;
	struct policy_port ports[POLICY_PORT_MAX];
	size_t port_count;
};

void keeper_config_make(const struct metadata *metadata, const struct address *control,
			struct keeper_config *ret_config);

/* The JSON document, with a final newline; the caller frees. Equal orders, equal texts. */
char *keeper_config_format(const struct keeper_config *config);

/* EX_DATAERR when it is not what keeper_config_format() writes. */
MUST_CHECK int keeper_config_parse(const char *text, struct keeper_config *ret_config,
				   struct error *err);

#endif
