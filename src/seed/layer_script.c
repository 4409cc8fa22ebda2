/*
 * A guest that starts from a layer runs no cloud-init: what a seed would say fits into one script,
 * and the volume is that script, so that nothing has to be mounted before it can be read.
 */
#include "seed/embedded.h"
#include "seed/script.h"
#include "seed/seed.h"

#define SECTOR 512

/* The guest looks at the first line before it runs the rest (templates/seed/layer-boot.sh). */
char *seed_identity(const struct seed *seed)
{
	struct strbuf out = STRBUF_INIT;

	strbuf_add_text(&out, "# migrant identity 1\n");
	script_set(&out, "name", seed->hostname);
	script_set(&out, "host_key", seed->host_key);
	script_set(&out, "host_key_public", seed->host_key_public);
	strbuf_add_text(&out, seed_identity_script);
	while (out.length % SECTOR)
		strbuf_add_char(&out, '\n');
	return strbuf_take(&out);
}

char *seed_layer_script(void)
{
	struct strbuf out = STRBUF_INIT;

	script_set(&out, "boot", seed_layer_boot);
	script_set(&out, "service", seed_layer_service);
	strbuf_add_text(&out, seed_layer_keep);
	return strbuf_take(&out);
}

char *seed_renew_script(const char *host_key, const char *host_key_public)
{
	struct strbuf out = STRBUF_INIT;

	script_set(&out, "host_key", host_key);
	script_set(&out, "host_key_public", host_key_public);
	strbuf_add_text(&out, seed_renew);
	return strbuf_take(&out);
}
