/*
 * A fork begins as its origin, down to the host key by which we know it. What makes it another one
 * is told to it over that first connection, in the wire that nobody else is on.
 */
#include "seed/embedded.h"
#include "seed/script.h"
#include "seed/seed.h"

char *seed_fork_script(const char *name, const char *host_key, const char *host_key_public)
{
	struct strbuf out = STRBUF_INIT;

	script_set(&out, "name", name);
	script_set(&out, "host_key", host_key);
	script_set(&out, "host_key_public", host_key_public);
	strbuf_add_text(&out, seed_fork);
	return strbuf_take(&out);
}
