/*
 * Choosing addresses for the links between host and gateway, so that they collide with nothing the
 * host has.
 */
#include "network/block.h"

#include <arpa/inet.h>

#include "base/text.h"

static struct address plus(const struct address *base, uint32_t offset)
{
	return (struct address){
		.family = AF_INET,
		.v4.s_addr = htonl(ntohl(base->v4.s_addr) + offset),
	};
}

struct address block_address(const struct prefix *block, enum block_part part)
{
	return plus(&block->address, part);
}

struct prefix block_pool6(void)
{
	struct prefix pool;

	if (parse_prefix(BLOCK_POOL6, &pool) < 0)
		abort();
	return pool;
}

struct address block_address6(const struct prefix *block, enum block_part part)
{
	const struct address v4 = block_address(block, part);
	struct address address = block_pool6().address;

	memcpy(address.v6.s6_addr + 12, &v4.v4, sizeof(v4.v4));
	return address;
}

struct prefix block_network(const struct prefix *block, enum block_part part)
{
	if (part == BLOCK_CONTROL_HOST || part == BLOCK_CONTROL)
		return (struct prefix){block->address, CONTROL_LENGTH};
	return (struct prefix){plus(&block->address, 8), UPLINK_LENGTH};
}

static int parse_pool(const char *text, struct prefix *ret_pool)
{
	struct prefix pool;

	if (parse_prefix(text, &pool) < 0 || pool.address.family != AF_INET || pool.length < 8 ||
	    pool.length > BLOCK_LENGTH)
		return -1;
	if (ntohl(pool.address.v4.s_addr) & (UINT32_MAX >> pool.length))
		return -1;
	*ret_pool = pool;
	return 0;
}

/* Cuts white space from both ends, in place. */
static char *trim(char *text)
{
	size_t length;

	text += strspn(text, " \t");
	length = strlen(text);
	while (length && strchr(" \t\r", text[length - 1]))
		length--;
	text[length] = '\0';
	return text;
}

static int parse_line(char *line, unsigned int number, struct prefix *pool, struct error *err)
{
	char *equals;
	const char *value;

	line[strcspn(line, "#")] = '\0';
	line = trim(line);
	if (!*line)
		return 0;
	equals = strchr(line, '=');
	if (!equals)
		return error_set(err, EX_CONFIG, BLOCK_CONFIG ":%u: not `key = value`", number);
	*equals = '\0';
	value = trim(equals + 1);
	line = trim(line);
	if (!text_equal(line, "control-pool"))
		return error_set(err, EX_CONFIG, BLOCK_CONFIG ":%u: unknown key %.64s", number,
				 line);
	if (parse_pool(value, pool) < 0)
		return error_set(err, EX_CONFIG,
				 BLOCK_CONFIG ":%u: %.64s is not an IPv4 network of 8 to %d bits",
				 number, value, BLOCK_LENGTH);
	return 0;
}

int block_parse_config(const char *text, struct prefix *ret_pool, struct error *err)
{
	_cleanup_free_ char *copy = text_dup(text);
	struct prefix pool = {0};
	unsigned int number = 0;
	char *rest = copy;

	if (parse_pool(BLOCK_POOL_DEFAULT, &pool) < 0)
		abort();
	while (rest) {
		char *line = strsep(&rest, "\n");

		if (parse_line(line, ++number, &pool, err) < 0)
			return -1;
	}
	*ret_pool = pool;
	return 0;
}

static bool is_used(const struct prefix_list *used, const struct prefix *block)
{
	for (size_t i = 0; i < used->count; i++)
		if (prefix_overlaps(&used->items[i], block))
			return true;
	return false;
}

int block_find(const struct prefix *pool, const struct prefix_list *used, struct prefix *ret_block,
	       struct error *err)
{
	uint32_t count = UINT32_C(1) << (BLOCK_LENGTH - pool->length);
	char text[PREFIX_TEXT_MAX];

	for (uint32_t i = 0; i < count; i++) {
		struct prefix block = {plus(&pool->address, i << (32 - BLOCK_LENGTH)),
				       BLOCK_LENGTH};

		if (is_used(used, &block))
			continue;
		*ret_block = block;
		return 0;
	}
	error_set(err, EX_TEMPFAIL, "no free addresses for another sandbox in %s",
		  prefix_format(pool, text));
	return error_hint(err, "halt a sandbox, or set another control-pool in " BLOCK_CONFIG);
}
