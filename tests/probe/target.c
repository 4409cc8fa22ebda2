/*
 * What the lines of a probe mean. Strict, for a line that is misread tests nothing and passes.
 */
#include "target.h"

#include <net/if.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"

static int complain(const char *text, struct error *err)
{
	return error_set(err, EX_USAGE, "cannot read the target '%s'", text);
}

static int parse_scope(const char *scope, uint32_t *ret_index)
{
	*ret_index = if_nametoindex(scope);
	return *ret_index ? 0 : -1;
}

static int parse_where(char *host, const char *port_text, struct target *target)
{
	char *scope = strchr(host, '%');
	uint32_t index = 0;
	struct address address;
	uint64_t port;

	if (scope) {
		*scope++ = '\0';
		if (parse_scope(scope, &index) < 0)
			return -1;
	}
	if (parse_address(host, &address) < 0 || parse_number(port_text, 0, 65535, &port) < 0)
		return -1;
	if (address.family == AF_INET) {
		target->address.v4 = (struct sockaddr_in){.sin_family = AF_INET,
							  .sin_addr = address.v4,
							  .sin_port = htons((uint16_t)port)};
		target->address_length = sizeof(target->address.v4);
		return scope ? -1 : 0;
	}
	target->address.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
						   .sin6_addr = address.v6,
						   .sin6_port = htons((uint16_t)port),
						   .sin6_scope_id = index};
	target->address_length = sizeof(target->address.v6);
	return 0;
}

static int parse_way(const char *word, struct target *target)
{
	uint64_t number;

	if (text_equal(word, "tcp"))
		target->way = WAY_TCP;
	else if (text_equal(word, "udp"))
		target->way = WAY_UDP;
	else if (text_equal(word, "icmp"))
		target->way = WAY_ECHO;
	else if (parse_number(word, 0, 255, &number) == 0)
		target->way = WAY_RAW, target->protocol = (int)number;
	else
		return -1;
	return 0;
}

static int parse_frame(const char *hex, struct target *target)
{
	size_t length = strlen(hex) / 2;

	if (!length || strlen(hex) % 2)
		return -1;
	target->way = WAY_FRAME;
	target->frame_length = length;
	target->frame = xcalloc(length, 1);
	for (size_t i = 0; i < length; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &target->frame[i]) != 1)
			return -1;
	return 0;
}

int target_parse(const char *text, struct target *ret_target, struct error *err)
{
	_cleanup_free_ char *copy = text_dup(text);
	struct target target = {.text = text};
	char *words[3] = {0}, *rest = copy;
	size_t count = 0;
	int result = -1;

	while (count < ARRAY_SIZE(words) && rest)
		words[count++] = strsep(&rest, " ");
	if (!rest && count == 2 && text_equal(words[0], "frame"))
		result = parse_frame(words[1], &target);
	else if (!rest && count == 3 && parse_way(words[0], &target) == 0)
		result = parse_where(words[1], words[2], &target);
	if (result < 0) {
		target_done(&target);
		return complain(text, err);
	}
	*ret_target = target;
	return 0;
}

void target_done(struct target *target)
{
	free(target->frame);
	target->frame = NULL;
}

void target_count(struct target *target)
{
	const struct answer *answer = &target->answer;
	size_t i = 0;

	while (i < target->tally_count && (target->tallies[i].answer.result != answer->result ||
					   target->tallies[i].answer.number != answer->number))
		i++;
	if (i == TALLY_MAX)
		return;
	target->tallies[i].answer = *answer;
	target->tallies[i].count++;
	if (i == target->tally_count)
		target->tally_count++;
}

char *answer_text(const struct answer *answer)
{
	switch (answer->result) {
	case RESULT_OPEN:
		return text_dup("open");
	case RESULT_ANSWERED:
		return text_dup("answered");
	case RESULT_SENT:
		return text_dup("sent");
	case RESULT_UNREACHABLE:
		return text_format("unreachable %d", answer->number);
	case RESULT_ERROR:
		return text_dup(strerror(answer->number));
	case RESULT_NONE:
	case RESULT_TIMEOUT:
		break;
	}
	return text_dup("timeout");
}
