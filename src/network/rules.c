/*
 * Fills the rule texts with the values of one sandbox. What may not be reached is listed here,
 * once.
 */
#include "network/rules.h"

#include <arpa/inet.h>

#include "base/text.h"
#include "network/block.h"
#include "network/grants.h"
#include "network/wire.h"

extern const char template_gateway[], template_gateway6[], template_tunnel[], template_tunnel6[],
	template_wire[], template_wire6[], template_host[];

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

	"::/3",	    /* all but the global unicast addresses of 2000::/3, RFC 4291: */
	"4000::/2", /* among it discarded (100::/64), private (fc00::/7) */
	"8000::/1",
	"2001::/23",	 /* protocol assignments: benchmarks, ORCHID, RFC 2928 */
	"2001:db8::/32", /* documentation, RFC 3849 */
	"3fff::/20",	 /* documentation, RFC 9637 */
};

#define RULES_VALUES_MAX 48 /* placeholders of one template */

static const char *const everywhere[] = {"0.0.0.0/0", "::/0"};

/* The sets and maps of gateway.nft, as their elements are written. */
static const struct element_form form_mark = {{FIELD_MARK}, {FIELD_END}};
static const struct element_form form_lan = {{FIELD_ADDRESS}, {FIELD_MARK}};
static const struct element_form form_lan_port = {{FIELD_ADDRESS, FIELD_PROTOCOL, FIELD_PORT},
						  {FIELD_MARK}};
static const struct element_form form_port_mark = {{FIELD_PROTOCOL, FIELD_PORT}, {FIELD_MARK}};
static const struct element_form form_target = {{FIELD_PROTOCOL, FIELD_PORT},
						{FIELD_ADDRESS, FIELD_TARGET_PORT}};
static const struct element_form form_forward = {
	{FIELD_MARK, FIELD_ADDRESS, FIELD_PROTOCOL, FIELD_TARGET_PORT}, {FIELD_END}};

void surroundings_done(struct surroundings *surroundings)
{
	prefix_list_done(&surroundings->own);
	prefix_list_done(&surroundings->near);
}

static void collect_never(const struct rules *rules, struct prefix_list *list)
{
	prefix_list_add_texts(list, policy_never, policy_never_count);
	prefix_list_add(list, rules->pool);
	prefix_list_add_all(list, &rules->host->own);
}

/* What `isolate` closes. */
static void collect_private(const struct rules *rules, struct prefix_list *list)
{
	prefix_list_add_texts(list, reserved, ARRAY_SIZE(reserved));
	prefix_list_add_all(list, &rules->host->near);
}

static void subtract_granted(const struct policy *policy, struct prefix_list *list)
{
	for (size_t i = 0; i < policy->grant_count; i++)
		if (policy->grants[i].kind == GRANT_LAN)
			prefix_list_subtract(list, &policy->grants[i].address);
}

void rules_closed(const struct rules *rules, struct prefix_list *list)
{
	if (rules->policy->isolate)
		collect_private(rules, list);
	subtract_granted(rules->policy, list);
	collect_never(rules, list);
}

/* What of a policy goes into the rules' sets. */
struct sets {
	struct prefix_list never, denied, private, open, resolvers;
	struct grant_sets grants;
	struct element_list live;
};

static void sets_done(struct sets *sets)
{
	prefix_list_done(&sets->never);
	prefix_list_done(&sets->denied);
	prefix_list_done(&sets->private);
	prefix_list_done(&sets->open);
	prefix_list_done(&sets->resolvers);
	grant_sets_done(&sets->grants);
	element_list_done(&sets->live);
}

static void add_live(struct sets *sets, uint32_t mark)
{
	const struct element element = {.mark = mark};

	element_list_add(&sets->live, &element);
}

static bool carries(const struct policy *policy, const struct tunnel *tunnel, int family)
{
	return tunnel_address(tunnel, family) && (family == AF_INET || policy->ipv6);
}

size_t rules_resolvers(const struct policy *policy, const struct tunnel *tunnel,
		       struct address ret_resolvers[RULES_RESOLVERS_MAX])
{
	bool own = policy->dns_count || !policy->tunnel;
	const struct address *list = own ? policy->dns : tunnel->dns;
	size_t listed = own ? policy->dns_count : tunnel->dns_count, count = 0;

	for (size_t i = 0; i < listed && count < RULES_RESOLVERS_MAX; i++)
		if (!policy->tunnel || carries(policy, tunnel, list[i].family))
			ret_resolvers[count++] = list[i];
	return count;
}

static void collect_resolvers(const struct rules *rules, struct prefix_list *list)
{
	struct address resolvers[RULES_RESOLVERS_MAX];
	size_t count = rules_resolvers(rules->policy, rules->tunnel, resolvers);

	if (!count && !rules->policy->tunnel)
		prefix_list_add_texts(list, everywhere, ARRAY_SIZE(everywhere));
	for (size_t i = 0; i < count; i++)
		prefix_list_add_address(list, &resolvers[i]);
}

static void collect_open(const struct rules *rules, struct sets *sets)
{
	prefix_list_add_texts(&sets->open, everywhere, ARRAY_SIZE(everywhere));
	add_live(sets, MARK_OPEN);
	collect_resolvers(rules, &sets->resolvers);
	if (rules->policy->isolate)
		return;
	collect_private(rules, &sets->private);
	add_live(sets, MARK_PRIVATE);
}

static void collect_sets(const struct rules *rules, struct sets *sets)
{
	collect_never(rules, &sets->never);
	if (rules->policy->isolate)
		collect_private(rules, &sets->denied);
	add_live(sets, MARK_CONTROL);
	if (rules->policy->egress == POLICY_EGRESS_OPEN)
		collect_open(rules, sets);
	grant_sets_collect(rules->policy, &sets->grants);
	for (size_t i = 0; i < sets->grants.all.count; i++)
		add_live(sets, sets->grants.all.items[i].mark);
}

static struct address constant(const char *text)
{
	struct address address;

	if (parse_address(text, &address) < 0)
		abort();
	return address;
}

static const struct part nothing = {.template = ""};

/* What a line begins with that stands only where @on says so. */
static struct value only(const char *name, bool on)
{
	return (struct value){name, VALUE_PART, .part = on ? &nothing : NULL};
}

/* Renders @template with ${ipv6} and ${chains6} for the lines and the chains of IPv6. */
static void render_both(const char *template, const struct value *values, size_t count,
			const struct part *chains6, struct strbuf *output)
{
	struct value all[RULES_VALUES_MAX];

	if (count + 2 > ARRAY_SIZE(all))
		abort();
	memcpy(all, values, count * sizeof(*values));
	all[count] = only("ipv6", chains6);
	all[count + 1] = (struct value){"chains6", VALUE_PART, .part = chains6};
	template_render(template, all, count + 2, output);
}

/* NULL: there is no tunnel, or it does not carry @family. */
static const struct address *own_in_tunnel(const struct rules *rules, int family)
{
	const struct policy *policy = rules->policy;

	return policy->tunnel && carries(policy, rules->tunnel, family)
		       ? tunnel_address(rules->tunnel, family)
		       : NULL;
}

/* What a TCP segment may hold, of an IP and a TCP header without options (RFC 6691). */
static uint32_t segment_size(const struct rules *rules, uint32_t headers)
{
	return rules->policy->tunnel ? rules->tunnel->mtu - headers : 0;
}

static void render_gateway(const struct rules *rules, const struct sets *sets,
			   const struct part *chains6, struct strbuf *output)
{
	const struct address *own = own_in_tunnel(rules, AF_INET);
	const struct grant_sets *grants = &sets->grants;
	const struct address control_host = block_address(rules->block, BLOCK_CONTROL_HOST);
	const struct address control = block_address(rules->block, BLOCK_CONTROL);
	const struct address uplink = block_address(rules->block, BLOCK_UPLINK);
	const struct address uplink_dns = block_address(rules->block, BLOCK_UPLINK_DNS);
	const struct address uplink_granted = block_address(rules->block, BLOCK_UPLINK_GRANTED);
	const struct value tunnel_values[] = {
		{"tunnel", VALUE_LINK, .link = rules->tunnel_link},
		{"tunnel_forwards", VALUE_ELEMENTS, .elements = &grants->through,
		 .form = &form_forward},
		{"uplink_granted", VALUE_ADDRESS, .address = &uplink_granted},
		{"mark_open", VALUE_MARK, .number = MARK_OPEN},
		{"mark_private", VALUE_MARK, .number = MARK_PRIVATE},
		{"mss", VALUE_NUMBER, .number = segment_size(rules, 40)},
	};
	const struct part tunnel_chains = {template_tunnel, tunnel_values,
					   ARRAY_SIZE(tunnel_values)};
	const struct value values[] = {
		only("direct", !rules->policy->tunnel),
		only("tunneled", rules->policy->tunnel),
		only("tunnel4", own),
		{"tunnel", VALUE_LINK, .link = rules->tunnel_link},
		{"tunnel_address", VALUE_ADDRESS, .address = own},
		{"tunnel_chains", VALUE_PART, .part = own ? &tunnel_chains : NULL},
		{"tap", VALUE_LINK, .link = rules->tap},
		{"guest", VALUE_ADDRESS, .address = &rules->wire->guest},
		{"gateway", VALUE_ADDRESS, .address = &rules->wire->gateway},
		{"control_host", VALUE_ADDRESS, .address = &control_host},
		{"control", VALUE_ADDRESS, .address = &control},
		{"uplink", VALUE_ADDRESS, .address = &uplink},
		{"uplink_dns", VALUE_ADDRESS, .address = &uplink_dns},
		{"uplink_granted", VALUE_ADDRESS, .address = &uplink_granted},
		{"never", VALUE_PREFIXES, .prefixes = &sets->never},
		{"denied", VALUE_PREFIXES, .prefixes = &sets->denied},
		{"private", VALUE_PREFIXES, .prefixes = &sets->private},
		{"open", VALUE_PREFIXES, .prefixes = &sets->open},
		{"resolvers", VALUE_PREFIXES, .prefixes = &sets->resolvers},
		{"live", VALUE_ELEMENTS, .elements = &sets->live, .form = &form_mark},
		{"lan", VALUE_ELEMENTS, .elements = &grants->lan, .form = &form_lan},
		{"lan_ports", VALUE_ELEMENTS, .elements = &grants->lan_ports,
		 .form = &form_lan_port},
		{"host_ports", VALUE_ELEMENTS, .elements = &grants->host, .form = &form_port_mark},
		{"forward_marks", VALUE_ELEMENTS, .elements = &grants->forward,
		 .form = &form_port_mark},
		{"forward_targets", VALUE_ELEMENTS, .elements = &grants->forward,
		 .form = &form_target},
		{"forwards", VALUE_ELEMENTS, .elements = &grants->outside, .form = &form_forward},
		{"mark_open", VALUE_MARK, .number = MARK_OPEN},
		{"mark_control", VALUE_MARK, .number = MARK_CONTROL},
		{"mark_private", VALUE_MARK, .number = MARK_PRIVATE},
		{"mark_granted", VALUE_MARK, .number = MARK_GRANTED},
		{"connections", VALUE_NUMBER, .number = rules->policy->limits.connections},
		{"new_per_second", VALUE_NUMBER, .number = rules->policy->limits.new_per_second},
		{"dns_per_second", VALUE_NUMBER, .number = rules->policy->limits.dns_per_second},
		{"dnsmasq_uid", VALUE_NUMBER, .number = rules->dnsmasq_uid},
	};

	render_both(template_gateway, values, ARRAY_SIZE(values), chains6, output);
}

/* The same with IPv6's values, into the chains that only it has. */
static void render_gateway_ipv6(const struct rules *rules, const struct sets *sets,
				struct strbuf *output)
{
	const struct grant_sets *grants = &sets->grants;
	const struct address guest = constant(WIRE6_GUEST), gateway = constant(WIRE6_GATEWAY);
	const struct address uplink = block_address6(rules->block, BLOCK_UPLINK);
	const struct address uplink_dns = block_address6(rules->block, BLOCK_UPLINK_DNS);
	const struct address uplink_granted = block_address6(rules->block, BLOCK_UPLINK_GRANTED);
	const struct address *own = own_in_tunnel(rules, AF_INET6);
	const struct value tunnel_values[] = {
		{"tunnel", VALUE_LINK, .link = rules->tunnel_link},
		{"tunnel_forwards", VALUE_ELEMENTS, .elements = &grants->through6,
		 .form = &form_forward},
		{"uplink_granted", VALUE_ADDRESS6, .address = &uplink_granted},
		{"mark_open", VALUE_MARK, .number = MARK_OPEN},
		{"mark_private", VALUE_MARK, .number = MARK_PRIVATE},
		{"mss", VALUE_NUMBER, .number = segment_size(rules, 60)},
	};
	const struct part tunnel_chains = {template_tunnel6, tunnel_values,
					   ARRAY_SIZE(tunnel_values)};
	const struct value values[] = {
		only("direct", !rules->policy->tunnel),
		only("tunneled", rules->policy->tunnel),
		only("tunnel6", own),
		{"tunnel", VALUE_LINK, .link = rules->tunnel_link},
		{"tunnel_address", VALUE_ADDRESS6, .address = own},
		{"tunnel_chains", VALUE_PART, .part = own ? &tunnel_chains : NULL},
		{"tap", VALUE_LINK, .link = rules->tap},
		{"guest", VALUE_ADDRESS6, .address = &guest},
		{"gateway", VALUE_ADDRESS6, .address = &gateway},
		{"uplink", VALUE_ADDRESS6, .address = &uplink},
		{"uplink_dns", VALUE_ADDRESS6, .address = &uplink_dns},
		{"uplink_granted", VALUE_ADDRESS6, .address = &uplink_granted},
		{"never", VALUE_PREFIXES6, .prefixes = &sets->never},
		{"denied", VALUE_PREFIXES6, .prefixes = &sets->denied},
		{"private", VALUE_PREFIXES6, .prefixes = &sets->private},
		{"open", VALUE_PREFIXES6, .prefixes = &sets->open},
		{"resolvers", VALUE_PREFIXES6, .prefixes = &sets->resolvers},
		{"lan", VALUE_ELEMENTS, .elements = &grants->lan6, .form = &form_lan},
		{"lan_ports", VALUE_ELEMENTS, .elements = &grants->lan_ports6,
		 .form = &form_lan_port},
		{"forward_marks", VALUE_ELEMENTS, .elements = &grants->forward6,
		 .form = &form_port_mark},
		{"forward_targets", VALUE_ELEMENTS, .elements = &grants->forward6,
		 .form = &form_target},
		{"forwards", VALUE_ELEMENTS, .elements = &grants->outside6, .form = &form_forward},
		{"mark_open", VALUE_MARK, .number = MARK_OPEN},
		{"mark_private", VALUE_MARK, .number = MARK_PRIVATE},
		{"mark_granted", VALUE_MARK, .number = MARK_GRANTED},
		{"dnsmasq_uid", VALUE_NUMBER, .number = rules->dnsmasq_uid},
	};
	const struct part chains = {template_gateway6, values, ARRAY_SIZE(values)};

	render_gateway(rules, sets, &chains, output);
}

void rules_gateway(const struct rules *rules, struct strbuf *output)
{
	_cleanup_(sets_done) struct sets sets = {0};

	collect_sets(rules, &sets);
	if (rules->policy->ipv6)
		render_gateway_ipv6(rules, &sets, output);
	else
		render_gateway(rules, &sets, NULL, output);
}

void rules_wire(const struct rules *rules, struct strbuf *output)
{
	const struct address guest6 = constant(WIRE6_GUEST), gateway6 = constant(WIRE6_GATEWAY);
	const struct address link6 = constant(WIRE6_LINK);
	struct mac gateway_mac;
	const struct value values[] = {
		{"tap", VALUE_LINK, .link = rules->tap},
		{"guest", VALUE_ADDRESS, .address = &rules->wire->guest},
		{"gateway", VALUE_ADDRESS, .address = &rules->wire->gateway},
		{"guest6", VALUE_ADDRESS6, .address = &guest6},
		{"gateway6", VALUE_ADDRESS6, .address = &gateway6},
		{"link6", VALUE_ADDRESS6, .address = &link6},
		{"guest_mac", VALUE_MAC, .mac = &rules->wire->guest_mac},
		{"gateway_mac", VALUE_MAC, .mac = &gateway_mac},
	};
	const struct part chains6 = {template_wire6, values, ARRAY_SIZE(values)};

	if (parse_mac(GATEWAY_MAC, &gateway_mac) < 0)
		abort();
	render_both(template_wire, values, ARRAY_SIZE(values),
		    rules->policy->ipv6 ? &chains6 : NULL, output);
}

void rules_host(const struct prefix *pool, struct strbuf *output)
{
	_cleanup_prefix_list_ struct prefix_list closed = {0};
	_cleanup_prefix_list_ struct prefix_list always = {0};
	const struct address dns_part = {.family = AF_INET, .v4.s_addr = htonl(BLOCK_UPLINK_DNS)};
	const struct address granted_part = {.family = AF_INET,
					     .v4.s_addr = htonl(BLOCK_UPLINK_GRANTED)};
	const struct address dns_part6 = {.family = AF_INET6, .v6.s6_addr[15] = BLOCK_UPLINK_DNS};
	const struct address granted_part6 = {.family = AF_INET6,
					      .v6.s6_addr[15] = BLOCK_UPLINK_GRANTED};
	const struct prefix pool6 = block_pool6();
	const struct value values[] = {
		{"reserved", VALUE_PREFIXES, .prefixes = &closed},
		{"never", VALUE_PREFIXES, .prefixes = &always},
		{"reserved6", VALUE_PREFIXES6, .prefixes = &closed},
		{"never6", VALUE_PREFIXES6, .prefixes = &always},
		{"pool", VALUE_PREFIX, .prefix = pool},
		{"pool6", VALUE_PREFIX, .prefix = &pool6},
		{"dns_host_part", VALUE_ADDRESS, .address = &dns_part},
		{"granted_host_part", VALUE_ADDRESS, .address = &granted_part},
		{"dns_host_part6", VALUE_ADDRESS6, .address = &dns_part6},
		{"granted_host_part6", VALUE_ADDRESS6, .address = &granted_part6},
		{"uplink", VALUE_LINK, .link = LINK_UPLINK},
		{"control", VALUE_LINK, .link = LINK_CONTROL},
		{"mark_way", VALUE_NUMBER, .number = MARK_WAY},
		{"mark_direct", VALUE_NUMBER, .number = MARK_DIRECT},
		{"mark_local", VALUE_NUMBER, .number = MARK_LOCAL},
	};

	prefix_list_add_texts(&closed, reserved, ARRAY_SIZE(reserved));
	prefix_list_add_texts(&always, policy_never, policy_never_count);
	prefix_list_add(&always, pool);
	template_render(template_host, values, ARRAY_SIZE(values), output);
}
