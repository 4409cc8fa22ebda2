/*
 * load_policies SEED COUNT: every accepted policy renders to rules that load.
 *
 * Draws policies until COUNT were accepted, renders each for a gateway whose host is drawn as well,
 * loads the rules into a network namespace of its own, as a running gateway would get them, and has
 * dnsmasq check its configuration. Stops at the first that fails and prints it. Root.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/file.h"
#include "base/netlink.h"
#include "base/process.h"
#include "base/text.h"
#include "draw.h"
#include "network/block.h"
#include "network/dnsmasq.h"
#include "network/nft.h"
#include "network/rules.h"
#include "network/wire.h"

#define TAP	   "mgt01234567"
#define DRAW_BYTES 16384

/* Steele, Lea, Flood: SplitMix64. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void fill(uint8_t *bytes, size_t length, uint64_t *state)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(next_random(state) >> 24);
}

static bool is_good(const struct policy *policy)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	return policy_validate(policy, &err) == 0;
}

static bool is_good_tunnel(const struct tunnel *tunnel)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	return tunnel_validate(tunnel, &err) == 0;
}

/* What is refused of @drawn is left out, one by one. Returns whether anything good is left. */
static bool keep_good(const struct policy *drawn, struct policy *policy)
{
	*policy = *drawn;
	policy->dns_count = policy->grant_count = policy->port_count = 0;
	if (!is_good(policy))
		return false;
	for (size_t i = 0; i < drawn->dns_count; i++) {
		policy->dns[policy->dns_count++] = drawn->dns[i];
		policy->dns_count -= !is_good(policy);
	}
	for (size_t i = 0; i < drawn->grant_count; i++) {
		policy->grants[policy->grant_count++] = drawn->grants[i];
		policy->grant_count -= !is_good(policy);
	}
	for (size_t i = 0; i < drawn->port_count; i++) {
		policy->ports[policy->port_count++] = drawn->ports[i];
		policy->port_count -= !is_good(policy);
	}
	return true;
}

static void draw_prefixes(struct prefix_list *list, uint64_t *state)
{
	for (uint64_t count = next_random(state) % 6; count; count--) {
		const struct prefix prefix = {
			.address = {.family = AF_INET, .v4.s_addr = (uint32_t)next_random(state)},
			.length = (unsigned int)(8 + next_random(state) % 25),
		};

		prefix_list_add(list, &prefix);
	}
}

static int check_dnsmasq(const struct rules *rules, const char *directory, struct error *err)
{
	_cleanup_prefix_list_ struct prefix_list closed = {0};
	_cleanup_free_ char *file = text_format("%s/dnsmasq.conf", directory);
	_cleanup_free_ char *option = text_format("--conf-file=%s", file);
	_cleanup_free_ char *text = NULL;
	const char *const argv[] = {"dnsmasq", "--test", option, NULL};
	const struct dnsmasq dnsmasq = {
		.link = rules->tap,
		.user = "nobody",
		.resolv_file = "/etc/resolv.conf",
		.wire = rules->wire,
		.policy = rules->policy,
		.tunnel = rules->tunnel,
		.closed = &closed,
	};
	struct process process = PROCESS_INIT;

	rules_closed(rules, &closed);
	text = dnsmasq_config(&dnsmasq);
	if (file_replace(AT_FDCWD, file, text, strlen(text), 0600, err) < 0)
		return -1;
	process.argv = argv;
	process.errors = PROCESS_NULL;
	return process_run(&process, err);
}

static int load(const struct policy *policy, const struct tunnel *tunnel, uint64_t *state,
		const char *directory, struct error *err)
{
	struct surroundings host = {0};
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct wire wire = {.length = 30};
	struct prefix pool, block;
	const struct rules rules = {
		.tap = TAP,
		.wire = &wire,
		.policy = policy,
		.pool = &pool,
		.block = &block,
		.host = &host,
		.dnsmasq_uid = 101,
		.tunnel_link = "mgw01234567",
		.tunnel = tunnel,
	};
	int result;

	if (parse_mac(GUEST_MAC, &wire.guest_mac) < 0 ||
	    parse_address("10.213.0.1", &wire.gateway) < 0 ||
	    parse_address("10.213.0.2", &wire.guest) < 0 ||
	    parse_prefix(BLOCK_POOL_DEFAULT, &pool) < 0 || parse_prefix("198.18.0.16/28", &block))
		abort();
	draw_prefixes(&host.own, state);
	draw_prefixes(&host.near, state);
	strbuf_add_text(&text, "flush ruleset\n");
	rules_gateway(&rules, &text);
	rules_wire(&rules, &text);
	result = nft_load(strbuf_text(&text), err);
	if (result == 0)
		result = check_dnsmasq(&rules, directory, err);
	if (result < 0)
		fputs(strbuf_text(&text), stderr);
	surroundings_done(&host);
	return result;
}

static int load_some(uint64_t seed, uint64_t count, const char *directory, struct error *err)
{
	uint8_t bytes[DRAW_BYTES];
	uint64_t loaded = 0;
	uint64_t grants = 0;

	while (loaded < count) {
		struct draw draw = {.bytes = bytes, .length = sizeof(bytes)};
		_cleanup_strbuf_ struct strbuf canonical = STRBUF_INIT;
		struct policy drawn, policy;
		struct tunnel tunnel;

		fill(bytes, sizeof(bytes), &seed);
		draw_tunnel(&draw, &tunnel);
		draw_policy(&draw, &drawn);
		if (!is_good_tunnel(&tunnel) || !keep_good(&drawn, &policy))
			continue;
		policy_canonical(&policy, &canonical);
		if (policy.tunnel)
			tunnel_canonical(&tunnel, &canonical);
		if (load(&policy, &tunnel, &seed, directory, err) < 0)
			return error_prefix(err, "policy %" PRIu64 ":\n%s", loaded,
					    strbuf_text(&canonical));
		grants += policy.grant_count;
		loaded++;
	}
	printf("%" PRIu64 " policies with %" PRIu64 " grants\n", loaded, grants);
	return 0;
}

static int run(int argc, char **argv, const char *directory, struct error *err)
{
	uint64_t seed, count;

	if (argc != 3 || parse_number(argv[1], 0, UINT64_MAX, &seed) < 0 ||
	    parse_number(argv[2], 1, 100000, &count) < 0)
		return error_set(err, EX_USAGE, "usage: load_policies SEED COUNT");
	if (unshare(CLONE_NEWNET) < 0)
		return error_errno(err, EX_OSERR, "cannot make a network namespace");
	if (link_add_tap(TAP, err) < 0)
		return -1;
	return load_some(seed, count, directory, err);
}

int main(int argc, char **argv)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_error_ struct error ignored = ERROR_INIT;
	char directory[] = "/tmp/load-policies-XXXXXX";
	int result;

	if (!mkdtemp(directory))
		return EX_CANTCREAT;
	result = run(argc, argv, directory, &err);
	(void)!file_remove_tree(AT_FDCWD, directory, &ignored);
	if (result == 0)
		return 0;
	fprintf(stderr, "%s\n", err.message);
	return err.code;
}
