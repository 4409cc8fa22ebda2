/*
 * Docker, ufw and firewalld drop forwarded packets that they do not know. Our own chains cannot
 * overrule that: in nftables one drop is final. So it is named, with the one rule that lets
 * sandboxes through; the mark in it is on nothing but packets that our chains have let pass.
 */
#include "network/firewall.h"

#include <string.h>

#include "base/text.h"
#include "network/rules.h"

/* What is known of the table whose lines are being read. */
struct place {
	char family[16], table[64], chain[64];
	bool forwards;	     /* the chain sees every forwarded packet */
	char dropping[64];   /* the chain that drops some, or "" */
	bool has_user_chain; /* Docker keeps one chain for rules of others, looked at first */
	bool is_helped;	     /* the rule that helps is there */
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

static void begin_table(const char *line, struct place *place)
{
	*place = (struct place){0};
	line += strlen("table ");
	read_word(&line, place->family, sizeof(place->family));
	read_word(&line, place->table, sizeof(place->table));
}

static void begin_chain(const char *line, struct place *place)
{
	line += strlen("chain ");
	place->forwards = false;
	read_word(&line, place->chain, sizeof(place->chain));
	if (text_equal(place->chain, "DOCKER-USER"))
		place->has_user_chain = true;
}

/* True for a rule without a condition that ends in a refusal: firewalld's last one, say. */
static bool refuses_all(const char *rule)
{
	if (text_starts(rule, "reject") || text_starts(rule, "drop"))
		return true;
	if (!text_starts(rule, "counter") && !text_starts(rule, "log "))
		return false;
	return text_ends(rule, " drop") || strstr(rule, " reject");
}

static void read_rule(const char *rule, struct place *place)
{
	_cleanup_free_ char *mark = text_format("mark 0x%08x", MARK_WAY);

	if (strstr(rule, "hook forward"))
		place->forwards = true;
	if (place->forwards && (strstr(rule, "policy drop") || refuses_all(rule)))
		memcpy(place->dropping, place->chain, sizeof(place->dropping));
	if (strstr(rule, mark) && text_ends(rule, " accept"))
		place->is_helped = true;
}

static bool is_about(const char *family, bool ipv6)
{
	return text_equal(family, "ip") || text_equal(family, "inet") ||
	       (ipv6 && text_equal(family, "ip6"));
}

static void end_table(const struct place *place, bool ipv6, struct strbuf *lines)
{
	if (!*place->dropping || place->is_helped || text_equal(place->table, "migrant") ||
	    !is_about(place->family, ipv6))
		return;
	strbuf_addf(lines,
		    "warning: chain %s of table %s %s drops what sandboxes send; this lets it "
		    "through: nft insert rule %s %s %s meta mark 0x%x accept\n",
		    place->dropping, place->family, place->table, place->family, place->table,
		    place->has_user_chain ? "DOCKER-USER" : place->dropping, MARK_WAY);
}

void firewall_blocks(const char *ruleset, bool ipv6, struct strbuf *lines)
{
	struct place place = {0};

	for (const char *at = ruleset; *at;) {
		size_t length = strcspn(at, "\n");
		_cleanup_free_ char *text = text_dup_n(at, length);
		const char *line = text + strspn(text, "\t ");

		if (text_starts(text, "table "))
			begin_table(line, &place);
		else if (text_starts(line, "chain "))
			begin_chain(line, &place);
		else if (text_equal(text, "}"))
			end_table(&place, ipv6, lines);
		else
			read_rule(line, &place);
		at += length + (at[length] == '\n');
	}
}
