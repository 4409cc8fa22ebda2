/*
 * The scripts that migrant gives to a guest begin with what differs between guests, as variables;
 * all else of them is text of templates/seed/.
 */
#include "seed/script.h"

void script_set(struct strbuf *out, const char *name, const char *value)
{
	char *quoted = text_shell_quote(value);

	strbuf_addf(out, "%s=%s\n", name, quoted);
	explicit_bzero(quoted, strlen(quoted)); /* some are secret */
	free(quoted);
}

char *seed_link_file(const struct wire *wire)
{
	char mac[MAC_TEXT_MAX];

	return text_format("[Match]\nMACAddress=%s\n\n[Link]\nName=eth0\n",
			   mac_format(&wire->guest_mac, mac));
}
