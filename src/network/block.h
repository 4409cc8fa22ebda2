/*
 * The addresses between a gateway and the host, and the pool they come from. Pure.
 */
#ifndef NETWORK_BLOCK_H
#define NETWORK_BLOCK_H

#include "base/error.h"
#include "network/template.h"

#define BLOCK_CONFIG "/etc/migrant/migrant.conf"
#define BLOCK_POOL_DEFAULT \
	"198.18.0.0/15" /* for tests of network devices (RFC 2544), routed nowhere */

/*
 * With `ipv6: nat` every address of a block has an IPv6 twin, which ends in it: fixed, for nothing
 * but our own links is numbered from there (RFC 4193, the global id spells "migra").
 */
#define BLOCK_POOL6 "fd6d:6967:7261::/64"

/* Every sandbox has a block of 16 addresses; these are their places in it. */
#define BLOCK_LENGTH 28
enum block_part {
	BLOCK_CONTROL_HOST = 1,	   /* a /30: the host's end of the control link */
	BLOCK_CONTROL = 2,	   /* and the gateway's */
	BLOCK_UPLINK_HOST = 9,	   /* a /29: the host's end of the uplink */
	BLOCK_UPLINK = 10,	   /* the guest, as the host sees it */
	BLOCK_UPLINK_DNS = 11,	   /* dnsmasq, as the host sees it */
	BLOCK_UPLINK_GRANTED = 12, /* the guest, where a grant lets it go */
};
#define CONTROL_LENGTH 30
#define UPLINK_LENGTH  29

/* An address of the block, and the small network it lies in. */
struct address block_address(const struct prefix *block, enum block_part part);
struct address block_address6(const struct prefix *block, enum block_part part);
struct prefix block_pool6(void);
struct prefix block_network(const struct prefix *block, enum block_part part);

/*
 * Reads BLOCK_CONFIG's text: `key = value` lines, '#' comments. EX_CONFIG with the line on anything
 * else. Without the key control-pool *ret_pool is BLOCK_POOL_DEFAULT.
 */
MUST_CHECK int block_parse_config(const char *text, struct prefix *ret_pool, struct error *err);

/* The first free block. EX_TEMPFAIL when every one overlaps with a prefix of @used. */
MUST_CHECK int block_find(const struct prefix *pool, const struct prefix_list *used,
			  struct prefix *ret_block, struct error *err);

#endif
