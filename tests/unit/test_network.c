/* The network room's pure half: rules, addresses, resolvers, other firewalls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "golden.h"
#include "network/block.h"
#include "network/dnsmasq.h"
#include "network/firewall.h"
#include "network/resolver.h"
#include "network/rules.h"
#include "network/wire.h"

static struct prefix prefix(const char *text)
{
	struct prefix result;

	assert_int_equal(parse_prefix(text, &result), 0);
	return result;
}

static struct wire sample_wire(void)
{
	struct wire wire = {.length = 30};

	assert_int_equal(parse_mac(GUEST_MAC, &wire.guest_mac), 0);
	assert_int_equal(parse_address("10.213.0.1", &wire.gateway), 0);
	assert_int_equal(parse_address("10.213.0.2", &wire.guest), 0);
	return wire;
}

static struct address address(const char *text)
{
	struct address result;

	assert_int_equal(parse_address(text, &result), 0);
	return result;
}

static void grant(struct policy *policy, enum policy_grant_kind kind, uint8_t protocol,
		  uint16_t port, const char *target, uint16_t target_port)
{
	policy->grants[policy->grant_count++] = (struct policy_grant){
		.kind = kind,
		.protocol = protocol,
		.port = port,
		.address = target ? address(target) : (struct address){0},
		.target_port = target_port,
	};
}

/* Policies, each with what its golden file is to show. */

static void isolated(struct policy *policy)
{
	(void)policy;
}

static void not_isolated(struct policy *policy)
{
	policy->isolate = false;
}

static void no_egress(struct policy *policy)
{
	policy->egress = POLICY_EGRESS_NONE;
}

static void no_egress_nor_isolation(struct policy *policy)
{
	no_egress(policy);
	not_isolated(policy);
}

static void lan_address(struct policy *policy)
{
	grant(policy, GRANT_LAN, 0, 0, "192.168.1.50", 0);
}

static void lan_ports(struct policy *policy)
{
	grant(policy, GRANT_LAN, IPPROTO_TCP, 5432, "192.168.1.50", 0);
	grant(policy, GRANT_LAN, IPPROTO_UDP, 123, "192.168.1.50", 0);
}

static void host_ports(struct policy *policy)
{
	grant(policy, GRANT_HOST, IPPROTO_TCP, 8080, NULL, 0);
	grant(policy, GRANT_HOST, IPPROTO_UDP, 8080, NULL, 0);
}

static void forwards(struct policy *policy)
{
	grant(policy, GRANT_FORWARD, IPPROTO_TCP, 11434, "100.64.0.6", 11434);
	grant(policy, GRANT_FORWARD, IPPROTO_UDP, 5000, "192.168.1.50", 53);
}

static void grants_without_egress(struct policy *policy)
{
	no_egress(policy);
	lan_address(policy);
	lan_ports(policy);
	host_ports(policy);
	forwards(policy);
}

/* What is meant for a tunnel goes nowhere without one. */
static void forward_via_tunnel(struct policy *policy)
{
	forwards(policy);
	policy->grants[0].via_tunnel = true;
}

static void own_resolvers(struct policy *policy)
{
	policy->dns[policy->dns_count++] = address("9.9.9.9");
	policy->dns[policy->dns_count++] = address("192.168.1.1");
}

static void small_limits(struct policy *policy)
{
	policy->limits =
		(struct policy_limits){.connections = 3, .new_per_second = 2, .dns_per_second = 1};
}

static void ipv6(struct policy *policy)
{
	policy->ipv6 = true;
}

static void ipv6_grants(struct policy *policy)
{
	ipv6(policy);
	not_isolated(policy);
	grants_without_egress(policy);
	grant(policy, GRANT_LAN, 0, 0, "fd00::5", 0);
	grant(policy, GRANT_LAN, IPPROTO_TCP, 5432, "fd00::6", 0);
	grant(policy, GRANT_FORWARD, IPPROTO_TCP, 7000, "fd00::7", 7001);
	own_resolvers(policy);
	policy->dns[policy->dns_count++] = address("2620:fe::fe");
	policy->egress = POLICY_EGRESS_OPEN;
}

static void tunnel(struct policy *policy)
{
	policy->tunnel = true;
}

/* Some outside of it, some inside, and what is private as well. */
static void tunnel_grants(struct policy *policy)
{
	tunnel(policy);
	not_isolated(policy);
	ipv6(policy);
	lan_address(policy);
	host_ports(policy);
	forwards(policy);
	grant(policy, GRANT_LAN, IPPROTO_TCP, 5432, "fd00::6", 0);
	grant(policy, GRANT_FORWARD, IPPROTO_TCP, 9000, "10.8.0.5", 9001);
	policy->grants[policy->grant_count - 1].via_tunnel = true;
	grant(policy, GRANT_FORWARD, IPPROTO_TCP, 9001, "fd08::5", 9001);
	policy->grants[policy->grant_count - 1].via_tunnel = true;
}

static void tunnel_without_egress(struct policy *policy)
{
	tunnel(policy);
	no_egress(policy);
}

#define POLICY(name)        \
	{                   \
#name, name \
	}
static const struct {
	const char *name;
	void (*make)(struct policy *policy);
} policies[] = {
	POLICY(isolated),
	POLICY(not_isolated),
	POLICY(no_egress),
	POLICY(no_egress_nor_isolation),
	POLICY(lan_address),
	POLICY(lan_ports),
	POLICY(host_ports),
	POLICY(forwards),
	POLICY(grants_without_egress),
	POLICY(forward_via_tunnel),
	POLICY(own_resolvers),
	POLICY(small_limits),
	POLICY(ipv6),
	POLICY(ipv6_grants),
	POLICY(tunnel),
	POLICY(tunnel_grants),
	POLICY(tunnel_without_egress),
};

static void make_policy(const char *name, struct policy *policy)
{
	*policy = (struct policy){.isolate = true, .limits = POLICY_LIMITS_DEFAULT};
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
		if (text_equal(policies[i].name, name)) {
			policies[i].make(policy);
			return;
		}
	fail_msg("no policy %s", name);
}

/* What the tests' host is and has. */
static void sample_surroundings(struct surroundings *host)
{
	static const char *const own[] = {"5.9.1.2/32", "192.168.1.10/32", "2a01:4f8:1::2/128"};
	static const char *const near[] = {"5.9.1.0/24", "192.168.1.0/24", "2a01:4f8:1::/64"};

	prefix_list_add_texts(&host->own, own, ARRAY_SIZE(own));
	prefix_list_add_texts(&host->near, near, ARRAY_SIZE(near));
}

static void sample_tunnel(struct tunnel *made)
{
	*made = (struct tunnel){.mtu = 1280, .address_count = 3, .dns_count = 2};
	made->addresses[0] = prefix("10.8.0.2/32");
	made->addresses[1] = prefix("10.9.0.2/24");
	made->addresses[2] = prefix("fd08::2/64");
	made->dns[0] = address("10.8.0.1");
	made->dns[1] = address("fd08::1");
}

/* A tunnel without IPv4 lets nothing of it pass; without IPv6, or with too small an MTU, the same.
 */
static void a_tunnel_carries_what_it_has(void **state)
{
	static const struct surroundings host;
	const struct prefix pool = prefix(BLOCK_POOL_DEFAULT), block = prefix("198.18.0.16/28");
	const struct wire wire = sample_wire();
	struct tunnel made;
	struct policy policy;
	const struct rules rules = {.tap = "mgt01234567",
				    .tunnel_link = "mgw01234567",
				    .wire = &wire,
				    .policy = &policy,
				    .tunnel = &made,
				    .pool = &pool,
				    .block = &block,
				    .host = &host};

	(void)state;
	sample_tunnel(&made);
	make_policy("tunnel_grants", &policy);
	for (int round = 0; round < 4; round++) {
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
		struct address resolvers[RULES_RESOLVERS_MAX];
		size_t count = rules_resolvers(&policy, &made, resolvers);
		bool four = round < 2, six = round == 0 || round == 3;

		rules_gateway(&rules, &text);
		assert_int_equal(!strstr(text.text, "chain forward_tunnel"), !four);
		assert_int_equal(!strstr(text.text, "snat ip to 10.8.0.2"), !four);
		assert_int_equal(!strstr(text.text, "chain forward6_tunnel"), !six);
		assert_int_equal(!strstr(text.text, "snat ip6 to fd08::2"), !six);
		assert_int_equal(!strstr(text.text, "mgw01234567"), !four && !six);
		assert_int_equal(count, four + six);
		if (round == 0) {
			made.mtu = 1279;
		} else if (round == 1) {
			made.address_count = 1;
			made.addresses[0] = prefix("fd08::2/64");
		} else {
			made.mtu = 1280;
		}
	}
}

static void gateways_are_golden(void **state)
{
	struct surroundings host = {0};
	const struct prefix pool = prefix(BLOCK_POOL_DEFAULT), block = prefix("198.18.0.16/28");
	const struct wire wire = sample_wire();
	struct policy policy;
	struct tunnel made;
	const struct rules rules = {.tap = "mgt01234567",
				    .wire = &wire,
				    .policy = &policy,
				    .pool = &pool,
				    .block = &block,
				    .host = &host,
				    .dnsmasq_uid = 101,
				    .tunnel_link = "mgw01234567",
				    .tunnel = &made};

	(void)state;
	sample_surroundings(&host);
	sample_tunnel(&made);
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		_cleanup_free_ char *file = text_format("network/gateway-%s.nft", policies[i].name);
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

		make_policy(policies[i].name, &policy);
		rules_gateway(&rules, &text);
		assert_golden(strbuf_text(&text), file);
	}
	surroundings_done(&host);
}

static void fixed_rules_are_golden(void **state)
{
	const struct prefix pool = prefix(BLOCK_POOL_DEFAULT);
	const struct wire wire = sample_wire();
	struct policy policy = {.isolate = true};
	const struct rules rules = {.tap = "mgt01234567", .wire = &wire, .policy = &policy};
	_cleanup_strbuf_ struct strbuf on_wire = STRBUF_INIT, on_wire6 = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf host = STRBUF_INIT;

	(void)state;
	rules_wire(&rules, &on_wire);
	assert_golden(strbuf_text(&on_wire), "network/wire.nft");
	policy.ipv6 = true;
	rules_wire(&rules, &on_wire6);
	assert_golden(strbuf_text(&on_wire6), "network/wire-ipv6.nft");
	rules_host(&pool, &host);
	assert_golden(strbuf_text(&host), "network/host.nft");
}

/* The mark of a grant is its own wherever it stands, and no other's. */
static void marks_tell_grants_apart(void **state)
{
	struct policy policy = {0};

	(void)state;
	lan_address(&policy);
	lan_ports(&policy);
	host_ports(&policy);
	forwards(&policy);
	grant(&policy, GRANT_LAN, IPPROTO_UDP, 5432, "192.168.1.50", 0);
	grant(&policy, GRANT_LAN, 0, 0, "192.168.1.51", 0);
	for (size_t i = 0; i < policy.grant_count; i++) {
		struct policy_grant copy = policy.grants[i];

		assert_true(rules_grant_mark(&copy) & MARK_GRANTED);
		assert_int_not_equal(rules_grant_mark(&copy), MARK_PRIVATE);
		assert_int_equal(rules_grant_mark(&copy), rules_grant_mark(&policy.grants[i]));
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(rules_grant_mark(&copy),
					     rules_grant_mark(&policy.grants[j]));
	}
}

static void dnsmasq_configs_are_golden(void **state)
{
	static const char *const names[] = {"isolated",	 "not_isolated",  "no_egress",
					    "lan_ports", "own_resolvers", "grants_without_egress",
					    "tunnel",	 "tunnel_grants", "tunnel_without_egress"};
	const struct prefix pool = prefix(BLOCK_POOL_DEFAULT);
	const struct wire wire = sample_wire();
	struct surroundings host = {0};
	struct policy policy;
	struct tunnel made;
	const struct rules rules = {.policy = &policy, .pool = &pool, .host = &host};

	(void)state;
	sample_surroundings(&host);
	sample_tunnel(&made);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *file = text_format("network/dnsmasq-%s.conf", names[i]);
		_cleanup_prefix_list_ struct prefix_list closed = {0};
		const struct dnsmasq dnsmasq = {.link = "mgt01234567",
						.user = "dnsmasq",
						.resolv_file = "/etc/resolv.conf",
						.wire = &wire,
						.policy = &policy,
						.tunnel = &made,
						.closed = &closed};
		_cleanup_free_ char *text = NULL;

		make_policy(names[i], &policy);
		rules_closed(&rules, &closed);
		text = dnsmasq_config(&dnsmasq);
		assert_golden(text, file);
	}
	surroundings_done(&host);
}

static void pool_is_configured(void **state)
{
	static const char *const bad[] = {
		"control-pool",
		"control-pool =",
		"control-pool = 10.0.0.0/29",
		"control-pool = 10.0.0.1/24",
		"control-pool = fd00::/16",
		"control-pool = 0.0.0.0/0",
		"other = 1",
		"control-pool = 10.9.0.0/16 x",
		"\n\n[section]",
	};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct prefix pool;
	char text[PREFIX_TEXT_MAX];

	(void)state;
	assert_int_equal(block_parse_config("", &pool, &err), 0);
	assert_string_equal(prefix_format(&pool, text), BLOCK_POOL_DEFAULT);
	assert_int_equal(block_parse_config("# ours\n\ncontrol-pool\t=  10.9.0.0/16 # here\r\n",
					    &pool, &err),
			 0);
	assert_string_equal(prefix_format(&pool, text), "10.9.0.0/16");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (block_parse_config(bad[i], &pool, &err) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(err.code, EX_CONFIG);
	}
	assert_non_null(strstr(err.message, ":3:"));
}

static void blocks_avoid_what_is_there(void **state)
{
	static const char *const texts[] = {"198.18.0.0/30", "198.18.0.24/29", "198.18.0.47/32",
					    "fd00::/16"};
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_prefix_list_ struct prefix_list used = {0};
	const struct prefix pool = prefix(BLOCK_POOL_DEFAULT), small = prefix("198.18.0.32/28");
	const struct prefix covering = prefix("198.0.0.0/8");
	struct prefix block;
	struct address dns;
	char text[PREFIX_TEXT_MAX];

	(void)state;
	assert_int_equal(block_find(&pool, &used, &block, &err), 0);
	assert_string_equal(prefix_format(&block, text), "198.18.0.0/28");
	prefix_list_add_texts(&used, texts, 3);
	assert_int_equal(block_find(&pool, &used, &block, &err), 0);
	assert_string_equal(prefix_format(&block, text), "198.18.0.48/28");
	dns = block_address(&block, BLOCK_UPLINK_DNS);
	assert_string_equal(address_format(&dns, text), "198.18.0.59");
	assert_int_equal(block_find(&small, &used, &block, &err), -1);
	assert_int_equal(err.code, EX_TEMPFAIL);
	assert_non_null(err.hint);
	prefix_list_add(&used, &covering);
	assert_int_equal(block_find(&pool, &used, &block, &err), -1);
}

static void addresses_have_a_twin(void **state)
{
	const struct prefix block = prefix("198.18.0.16/28"), pool = block_pool6();
	const struct address twin = block_address6(&block, BLOCK_UPLINK);
	char text[PREFIX_TEXT_MAX];

	(void)state;
	assert_string_equal(address_format(&twin, text), "fd6d:6967:7261::c612:1a");
	assert_true(prefix_contains(&pool, &twin));
}

static void lists_hold_both_families(void **state)
{
	static const char *const texts[] = {"2001:db8:7fff:ffff::1/33", "5.9.1.77/24", "::ffff:1/0",
					    "fe80::1/128"};
	static const char template[] = "4: ${list} 6: ${six} one: ${one}";
	_cleanup_prefix_list_ struct prefix_list list = {0};
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	const struct address one = prefix("fd00::1").address;
	const struct value values[] = {{"list", VALUE_PREFIXES, .prefixes = &list},
				       {"six", VALUE_PREFIXES6, .prefixes = &list},
				       {"one", VALUE_ADDRESS6, .address = &one}};

	(void)state;
	prefix_list_add_texts(&list, texts, ARRAY_SIZE(texts));
	template_render(template, values, ARRAY_SIZE(values), &text);
	assert_string_equal(strbuf_text(&text),
			    "4: 5.9.1.0/24 6: 2001:db8::/33, ::/0, fe80::1/128 one: fd00::1");
}

static void resolvers_are_counted(void **state)
{
	static const struct {
		const char *text;
		size_t count, with_ipv6;
	} cases[] = {
		{"", 0, 0},
		{"nameserver 9.9.9.9", 1, 1},
		{"# nameserver 9.9.9.9\nnameserver\t192.168.1.1  \nnameserver 1.1.1.1\r\n", 2, 2},
		{"nameserver 127.0.0.53\nnameserver ::1\nnameserver 2620:fe::fe\n", 0, 1},
		{"nameserver 0.0.0.0\nnameserver 224.0.0.1\nnameserver 9.9.9.9.9\n", 0, 0},
		{"nameserver9.9.9.9\nsearch nameserver 9.9.9.9\noptions edns0\n", 0, 0},
		{"nameserver fe80::1%eth0\nnameserver\nnameserver \n", 0, 0},
		{"nameserver fd00::1\nnameserver ff02::1\nnameserver ::ffff:9.9.9.9\n", 0, 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(resolver_count(cases[i].text, false), cases[i].count);
		assert_int_equal(resolver_count(cases[i].text, true), cases[i].with_ipv6);
	}
}

static bool is_named(const char *ruleset, const char *advice)
{
	_cleanup_strbuf_ struct strbuf lines = STRBUF_INIT;

	firewall_blocks(ruleset, true, &lines);
	return lines.length && strstr(strbuf_text(&lines), advice);
}

static void other_firewalls_are_named(void **state)
{
	static const char docker[] = "table ip filter {\n\tchain DOCKER-USER {\n\t}\n"
				     "\tchain FORWARD {\n\t\ttype filter hook forward priority 0; "
				     "policy drop;\n\t}\n}\n";
	static const char helped[] = "table ip filter {\n\tchain DOCKER-USER {\n"
				     "\t\tmeta mark 0x6d670001 accept\n\t}\n"
				     "\tchain FORWARD {\n\t\ttype filter hook forward priority 0; "
				     "policy drop;\n\t}\n}\n";
	static const char others[] =
		"table inet migrant {\n\tchain forward {\n\t\ttype filter hook "
		"forward priority 0; policy drop;\n\t}\n}\n"
		"table ip6 filter {\n\tchain FORWARD {\n\t\ttype filter hook "
		"forward priority 0; policy drop;\n\t}\n}\n"
		"table inet a {\n\tchain b {\n\t\ttype filter hook forward "
		"priority 0; policy accept;\n\t\tct state invalid drop\n\t}\n"
		"\tchain c {\n\t\treject\n\t}\n}\n";
	static const char firewalld[] =
		"table inet firewalld {\n\tchain filter_FORWARD {\n\t\ttype filter hook "
		"forward priority filter + 10; policy accept;\n\t\tct state "
		"established,related accept\n\t\treject with icmpx admin-prohibited\n\t}\n}\n";
	static const char *const last[] = {"reject", "drop", "counter packets 1 bytes 2 drop",
					   "log prefix \"no: \" drop",
					   "counter reject with icmpx admin-prohibited"};
	_cleanup_strbuf_ struct strbuf lines = STRBUF_INIT;

	(void)state;
	firewall_blocks(helped, true, &lines);
	firewall_blocks(others, false, &lines);
	assert_int_equal(lines.length, 0);
	firewall_blocks(docker, true, &lines);
	assert_string_equal(
		strbuf_text(&lines),
		"warning: chain FORWARD of table ip filter drops what sandboxes send; this "
		"lets it through: nft insert rule ip filter DOCKER-USER meta mark "
		"0x6d670001 accept\n");
	assert_true(is_named(others, "ip6 filter FORWARD meta mark"));
	assert_true(is_named(firewalld, "inet firewalld filter_FORWARD meta mark"));
	for (size_t i = 0; i < ARRAY_SIZE(last); i++) {
		_cleanup_free_ char *ruleset = text_format(
			"table ip a {\n\tchain b {\n\t\ttype filter hook forward priority "
			"0; policy accept;\n\t\t%s\n\t}\n}\n",
			last[i]);

		assert_true(is_named(ruleset, "ip a b meta mark"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gateways_are_golden),
		cmocka_unit_test(a_tunnel_carries_what_it_has),
		cmocka_unit_test(fixed_rules_are_golden),
		cmocka_unit_test(marks_tell_grants_apart),
		cmocka_unit_test(dnsmasq_configs_are_golden),
		cmocka_unit_test(pool_is_configured),
		cmocka_unit_test(blocks_avoid_what_is_there),
		cmocka_unit_test(addresses_have_a_twin),
		cmocka_unit_test(lists_hold_both_families),
		cmocka_unit_test(resolvers_are_counted),
		cmocka_unit_test(other_firewalls_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
