/*
 * Fills the rule texts with the values of one sandbox. What may not be reached is listed here,
 * once.
 */
#include "network/rules.h"

#include <arpa/inet.h>

#include "base/text.h"
#include "network/block.h"
#include "network/wire.h"

extern const char template_gateway[], template_wire[], template_host[];

/*
 * Closed to every guest, whatever its policy: addresses that mean "this host", "everybody here", or
 * the service of a cloud provider that hands out its secrets.
 */
static const char *const never[] = {
	"0.0.0.0/8",	      /* this network, RFC 791 */
	"127.0.0.0/8",	      /* loopback */
	"169.254.0.0/16",     /* link-local and most clouds' metadata, RFC 3927 */
	"100.100.100.200/32", /* Alibaba Cloud's metadata */
	"168.63.129.16/32",   /* Azure's host */
	"224.0.0.0/4",	      /* multicast, RFC 5771 */
	"240.0.0.0/4",	      /* reserved and limited broadcast, RFC 1112 */
};

/* Closed unless `isolate: false`: what is not one host of the public Internet (RFC 6890). */
static const char *const reserved[] = {
	"10.0.0.0/8",	   /* private, RFC 1918 */
	"172.16.0.0/12",   /* private */
	"192.168.0.0/16",  /* private */
	"100.64.0.0/10",   /* carrier-grade NAT, RFC 6598 */
	"192.0.0.0/24",	   /* protocol assignments */
	"192.0.2.0/24",	   /* documentation, RFC 5737 */
	"198.51.100.0/24", /* documentation */
	"203.0.113.0/24",  /* documentation */
	"192.88.99.0/24",  /* 6to4 relays, RFC 7526 */
	"198.18.0.0/15",   /* benchmarks, RFC 2544 */
};

static void collect_denied(const struct rules *rules, struct prefix_list *denied)
{
	prefix_list_add_texts(denied, never, ARRAY_SIZE(never));
	if (rules->policy->isolate)
		prefix_list_add_texts(denied, reserved, ARRAY_SIZE(reserved));
	prefix_list_add(denied, rules->pool);
	for (size_t i = 0; rules->host && i < rules->host->count; i++)
		prefix_list_add(denied, &rules->host->items[i]);
}

void rules_gateway(const struct rules *rules, struct strbuf *output)
{
	_cleanup_prefix_list_ struct prefix_list denied = {0};
	const struct address control_host = block_address(rules->block, BLOCK_CONTROL_HOST);
	const struct address control = block_address(rules->block, BLOCK_CONTROL);
	const struct address uplink = block_address(rules->block, BLOCK_UPLINK);
	const struct address uplink_dns = block_address(rules->block, BLOCK_UPLINK_DNS);
	const struct value values[] = {
		{"tap", VALUE_LINK, .link = rules->tap},
		{"guest", VALUE_ADDRESS, .address = &rules->wire->guest},
		{"gateway", VALUE_ADDRESS, .address = &rules->wire->gateway},
		{"control_host", VALUE_ADDRESS, .address = &control_host},
		{"control", VALUE_ADDRESS, .address = &control},
		{"uplink", VALUE_ADDRESS, .address = &uplink},
		{"uplink_dns", VALUE_ADDRESS, .address = &uplink_dns},
		{"denied", VALUE_PREFIXES, .prefixes = &denied},
		{"connections", VALUE_NUMBER, .number = rules->policy->limits.connections},
		{"new_per_second", VALUE_NUMBER, .number = rules->policy->limits.new_per_second},
		{"dns_per_second", VALUE_NUMBER, .number = rules->policy->limits.dns_per_second},
		{"dnsmasq_uid", VALUE_NUMBER, .number = rules->dnsmasq_uid},
	};

	collect_denied(rules, &denied);
	template_render(template_gateway, values, ARRAY_SIZE(values), output);
}

void rules_wire(const struct rules *rules, struct strbuf *output)
{
	struct mac gateway_mac;
	const struct value values[] = {
		{"tap", VALUE_LINK, .link = rules->tap},
		{"guest", VALUE_ADDRESS, .address = &rules->wire->guest},
		{"gateway", VALUE_ADDRESS, .address = &rules->wire->gateway},
		{"guest_mac", VALUE_MAC, .mac = &rules->wire->guest_mac},
		{"gateway_mac", VALUE_MAC, .mac = &gateway_mac},
	};

	if (parse_mac(GATEWAY_MAC, &gateway_mac) < 0)
		abort();
	template_render(template_wire, values, ARRAY_SIZE(values), output);
}

void rules_host(const struct prefix *pool, struct strbuf *output)
{
	_cleanup_prefix_list_ struct prefix_list closed = {0};
	_cleanup_prefix_list_ struct prefix_list always = {0};
	const struct address dns_part = {.family = AF_INET, .v4.s_addr = htonl(BLOCK_UPLINK_DNS)};
	const struct value values[] = {
		{"reserved", VALUE_PREFIXES, .prefixes = &closed},
		{"never", VALUE_PREFIXES, .prefixes = &always},
		{"pool", VALUE_PREFIX, .prefix = pool},
		{"dns_host_part", VALUE_ADDRESS, .address = &dns_part},
		{"uplink_closed", VALUE_LINK, .link = LINK_UPLINK_CLOSED},
		{"uplink_open", VALUE_LINK, .link = LINK_UPLINK_OPEN},
		{"control", VALUE_LINK, .link = LINK_CONTROL},
		{"mark_way", VALUE_NUMBER, .number = MARK_WAY},
		{"mark_direct", VALUE_NUMBER, .number = MARK_DIRECT},
	};

	prefix_list_add_texts(&closed, reserved, ARRAY_SIZE(reserved));
	prefix_list_add_texts(&always, never, ARRAY_SIZE(never));
	prefix_list_add(&always, pool);
	template_render(template_host, values, ARRAY_SIZE(values), output);
}
