/*
 * Reads a policy back from its canonical text, which root keeps of what it has put into force. The
 * reader is short because it need not be strict: what it has read is written again and must give
 * the same text.
 */
#include <netinet/in.h>

#include "base/text.h"
#include "network/policy.h"

#define BAD	  EX_DATAERR
#define WORDS_MAX 8

struct words {
	char *item[WORDS_MAX];
	size_t count;
};

/* Splits @line in place. */
static void split(char *line, struct words *words)
{
	char *rest = line;

	words->count = 0;
	while (rest && words->count < WORDS_MAX)
		words->item[words->count++] = strsep(&rest, " ");
}

/* The place in @choices, or -1. */
static int find(const char *word, const char *const *choices)
{
	for (int i = 0; choices[i]; i++)
		if (text_equal(word, choices[i]))
			return i;
	return -1;
}

static int parse_switch(const char *word, const char *off, const char *on, bool *ret_on)
{
	int found = find(word, (const char *const[]){off, on, NULL});

	*ret_on = found == 1;
	return found < 0 ? -1 : 0;
}

static int parse_protocol_port(const char *word, struct policy_grant *grant)
{
	if (text_starts(word, "tcp/"))
		grant->protocol = IPPROTO_TCP;
	else if (text_starts(word, "udp/"))
		grant->protocol = IPPROTO_UDP;
	else
		return -1;
	return parse_port(word + 4, &grant->port);
}

/* Splits ADDRESS:PORT at the last colon, in place. */
static int parse_endpoint(char *word, struct address *ret_address, uint16_t *ret_port)
{
	char *colon = strrchr(word, ':');

	if (!colon)
		return -1;
	*colon = '\0';
	if (word[0] == '[' && colon > word + 1) {
		colon[-1] = '\0';
		word++;
	}
	return parse_address(word, ret_address) < 0 ? -1 : parse_port(colon + 1, ret_port);
}

static int read_isolate(struct words *words, struct policy *policy)
{
	return parse_switch(words->item[1], "no", "yes", &policy->isolate);
}

static int read_ipv6(struct words *words, struct policy *policy)
{
	return parse_switch(words->item[1], "off", "nat", &policy->ipv6);
}

static int read_egress(struct words *words, struct policy *policy)
{
	bool none;

	if (parse_switch(words->item[1], "open", "none", &none) < 0)
		return -1;
	policy->egress = none ? POLICY_EGRESS_NONE : POLICY_EGRESS_OPEN;
	return 0;
}

static int read_tunnel(struct words *words, struct policy *policy)
{
	return parse_switch(words->item[1], "no", "yes", &policy->tunnel);
}

static int read_dns(struct words *words, struct policy *policy)
{
	if (policy->dns_count == POLICY_DNS_MAX)
		return -1;
	return parse_address(words->item[1], &policy->dns[policy->dns_count++]);
}

static int read_allow(struct words *words, struct policy *policy)
{
	static const char *const kinds[] = {
		[GRANT_HOST] = "host", [GRANT_LAN] = "lan", [GRANT_FORWARD] = "forward", NULL};
	struct policy_grant *grant = &policy->grants[policy->grant_count];
	int kind = find(words->item[1], kinds);

	if (policy->grant_count++ == POLICY_GRANT_MAX || kind < 0 || words->count < 3)
		return -1;
	grant->kind = (enum policy_grant_kind)kind;
	if (grant->kind == GRANT_LAN) {
		if (words->count > 3 && parse_protocol_port(words->item[3], grant) < 0)
			return -1;
		return parse_address(words->item[2], &grant->address);
	}
	if (parse_protocol_port(words->item[2], grant) < 0)
		return -1;
	if (grant->kind == GRANT_HOST)
		return 0;
	if (words->count < 5)
		return -1;
	grant->via_tunnel = words->count > 5;
	return parse_endpoint(words->item[4], &grant->address, &grant->target_port);
}

static int read_port(struct words *words, struct policy *policy)
{
	struct policy_port *port = &policy->ports[policy->port_count];
	char *guest = strrchr(words->item[1], ':');

	if (policy->port_count++ == POLICY_PORT_MAX || !guest)
		return -1;
	*guest = '\0';
	if (parse_port(guest + 1, &port->guest) < 0)
		return -1;
	return parse_endpoint(words->item[1], &port->bind, &port->host);
}

static int read_limits(struct words *words, struct policy *policy)
{
	uint32_t *const limits[] = {&policy->limits.connections, &policy->limits.new_per_second,
				    &policy->limits.dns_per_second};

	if (words->count != 1 + ARRAY_SIZE(limits))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		uint64_t number;

		if (parse_number(words->item[1 + i], 0, UINT32_MAX, &number) < 0)
			return -1;
		*limits[i] = (uint32_t)number;
	}
	return 0;
}

static const struct {
	const char *word;
	int (*read)(struct words *words, struct policy *policy);
} readers[] = {
	{"isolate", read_isolate}, {"ipv6", read_ipv6},	    {"egress", read_egress},
	{"dns", read_dns},	   {"allow", read_allow},   {"port", read_port},
	{"limits", read_limits},   {"tunnel", read_tunnel},
};

static int read_line(char *line, struct policy *policy)
{
	struct words words;

	split(line, &words);
	for (size_t i = 0; words.count > 1 && i < ARRAY_SIZE(readers); i++)
		if (text_equal(words.item[0], readers[i].word))
			return readers[i].read(&words, policy);
	return -1;
}

int policy_parse(const char *text, struct policy *ret_policy, struct error *err)
{
	_cleanup_free_ char *copy = text_dup(text);
	_cleanup_strbuf_ struct strbuf again = STRBUF_INIT;
	struct policy policy = {0};
	char *rest = copy;
	char *line;

	while ((line = strsep(&rest, "\n")) && rest) {
		_cleanup_free_ char *shown = text_dup(line);

		if (read_line(line, &policy) < 0)
			return error_set(err, BAD, "the policy says '%.80s'", shown);
	}
	if (policy_validate(&policy, err) < 0)
		return -1;
	policy_canonical(&policy, &again);
	if (!text_equal(strbuf_text(&again), text))
		return error_set(err, BAD, "the policy is not in its own form");
	*ret_policy = policy;
	return 0;
}
