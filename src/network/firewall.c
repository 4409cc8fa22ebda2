/*
 * Docker and ufw drop forwarded packets that they do not know. Our own chains cannot overrule that:
 * in nftables one drop is final. So it is named, with the one rule that lets sandboxes through; the
 * mark in it is on nothing but packets that our chains have let pass.
 */
#include "network/firewall.h"

#include <string.h>

#include "base/text.h"
#include "network/rules.h"

struct place {
	char family[16], table[64], chain[64];
};

/* Copies the word at *at into @buffer and goes on behind it. */
static void read_word(const char **at, char *buffer, size_t size)
{
	size_t length;

	*at += strspn(*at, " \t");
	length = strcspn(*at, " \t\n{");
	if (length < size) {
		memcpy(buffer, *at, length);
		buffer[length] = '\0';
	}
	*at += length;
}

static void read_place(const char *line, struct place *place)
{
	line += strspn(line, "\t ");
	if (text_starts(line, "table ")) {
		line += strlen("table ");
		read_word(&line, place->family, sizeof(place->family));
		read_word(&line, place->table, sizeof(place->table));
	} else if (text_starts(line, "chain ")) {
		line += strlen("chain ");
		read_word(&line, place->chain, sizeof(place->chain));
	}
}

static bool drops_forwarded(const char *line, const struct place *place)
{
	if (text_equal(place->table, "migrant") ||
	    (!text_equal(place->family, "ip") && !text_equal(place->family, "inet")))
		return false;
	return strstr(line, "hook forward") && strstr(line, "policy drop");
}

/* Docker keeps one chain for rules of others, which is looked at first. */
static const char *chain_for_rule(const char *ruleset, const char *chain)
{
	return strstr(ruleset, "chain DOCKER-USER {") ? "DOCKER-USER" : chain;
}

void firewall_blocks(const char *ruleset, struct strbuf *lines)
{
	_cleanup_free_ char *mark = text_format("mark 0x%08x accept", MARK_WAY);
	_cleanup_free_ char *counted = text_format("mark 0x%08x counter accept", MARK_WAY);
	struct place place = {0};

	if (strstr(ruleset, mark) || strstr(ruleset, counted))
		return;
	for (const char *at = ruleset; *at;) {
		size_t length = strcspn(at, "\n");
		_cleanup_free_ char *line = text_dup_n(at, length);

		read_place(line, &place);
		if (drops_forwarded(line, &place))
			strbuf_addf(lines,
				    "warning: chain %s of table %s %s drops what sandboxes send; "
				    "this lets it through: nft insert rule %s %s %s meta mark 0x%x "
				    "accept\n",
				    place.chain, place.family, place.table, place.family,
				    place.table, chain_for_rule(ruleset, place.chain), MARK_WAY);
		at += length + (at[length] == '\n');
	}
}
