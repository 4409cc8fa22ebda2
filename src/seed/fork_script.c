/*
 * A fork begins as its origin, down to the host key by which we know it. What makes it another one
 * is told to it over that first connection, in the wire that nobody else is on.
 */
#include "base/text.h"
#include "seed/embedded.h"
#include "seed/seed.h"

char *seed_fork_script(const char *name, const char *host_key, const char *host_key_public)
{
	const char *const values[][2] = {
		{"name", name}, {"host_key", host_key}, {"host_key_public", host_key_public}};
	struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		char *quoted = text_shell_quote(values[i][1]);

		strbuf_addf(&out, "%s=%s\n", values[i][0], quoted);
		explicit_bzero(quoted, strlen(quoted));
		free(quoted);
	}
	strbuf_add_text(&out, seed_fork);
	return strbuf_take(&out);
}
