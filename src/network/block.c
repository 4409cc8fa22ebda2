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

/* Marks the blocks of @pool that share an address with @prefix. */
static void mark_used(const struct prefix *pool, const struct prefix *prefix, bool *used)
{
	uint32_t first = ntohl(pool->address.v4.s_addr);
	uint32_t last = first | UINT32_MAX >> pool->length;
	uint32_t from, to;

	if (!prefix_overlaps(pool, prefix))
		return;
	from = ntohl(prefix->address.v4.s_addr);
	to = prefix->length ? from + ((UINT32_C(1) << (32 - prefix->length)) - 1) : UINT32_MAX;
	from = from < first ? 0 : (from - first) >> (32 - BLOCK_LENGTH);
	to = ((to > last ? last : to) - first) >> (32 - BLOCK_LENGTH);
	for (uint32_t i = from; i <= to; i++)
		used[i] = true;
}

/* In one pass over each: a host with many sandboxes starts the next as fast as the first. */
int block_find(const struct prefix *pool, const struct prefix_list *used, struct prefix *ret_block,
	       struct error *err)
{
	uint32_t count = UINT32_C(1) << (BLOCK_LENGTH - pool->length);
	_cleanup_free_ bool *is_used = xcalloc(count, sizeof(*is_used));
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < used->count; i++)
		mark_used(pool, &used->items[i], is_used);
	for (uint32_t i = 0; i < count; i++) {
		if (is_used[i])
			continue;
		*ret_block = (struct prefix){plus(&pool->address, i << (32 - BLOCK_LENGTH)),
					     BLOCK_LENGTH};
		return 0;
	}
	error_set(err, EX_TEMPFAIL, "no free addresses for another sandbox in %s",
		  prefix_format(pool, text));
	return error_hint(err, "halt a sandbox, or set another control-pool in " BLOCK_CONFIG);
}
