/* Addresses, ports and protocols are drawn from what is near a border, as well as from anything. */
#include "draw.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static uint8_t next(struct draw *draw)
{
	return draw->at < draw->length ? draw->bytes[draw->at++] : 0;
}

static uint32_t next_number(struct draw *draw)
{
	uint32_t number = 0;

	for (int i = 0; i < 4; i++)
		number = number << 8 | next(draw);
	return number;
}

/* True in one of @n cases. */
static bool one_in(struct draw *draw, unsigned int n)
{
	return next(draw) % n == 1;
}

static struct address draw_address(struct draw *draw, bool six)
{
	static const char *const fours[] = {
		"10.0.0.1",   "10.255.255.255",	 "172.16.0.0",	    "192.168.1.50",
		"100.64.0.6", "8.8.8.8",	 "1.0.0.0",	    "223.255.255.255",
		"198.18.0.1", "192.0.2.7",	 "169.254.0.1",	    "127.0.0.1",
		"0.0.0.0",    "255.255.255.255", "100.100.100.200",
	};
	static const char *const sixes[] = {"2001:db8::1", "fd00::7", "fd00:ec2::254",	"::1", "::",
					    "fe80::1",	   "ff02::1", "::ffff:10.0.0.1"};
	struct address address = {.family = six ? AF_INET6 : AF_INET};
	const char *known =
		six ? sixes[next(draw) % ARRAY_SIZE(sixes)] : fours[next(draw) % ARRAY_SIZE(fours)];

	if (one_in(draw, 3) && parse_address(known, &address) == 0)
		return address;
	for (size_t i = 0; six && i < sizeof(address.v6); i++)
		address.v6.s6_addr[i] = next(draw);
	if (six)
		address.v6.s6_addr[0] = (uint8_t)(0x20 | (address.v6.s6_addr[0] & 0x1f));
	else
		address.v4.s_addr = htonl(next_number(draw));
	return address;
}

static uint16_t draw_port(struct draw *draw)
{
	static const uint16_t known[] = {0, 1, 53, 67, 68, 80, 65535};
	uint16_t any = (uint16_t)(next(draw) << 8 | next(draw));

	return one_in(draw, 6) ? known[next(draw) % ARRAY_SIZE(known)] : any;
}

static uint8_t draw_protocol(struct draw *draw)
{
	static const uint8_t known[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_TCP, IPPROTO_UDP,
					IPPROTO_ICMP};

	return known[next(draw) % (one_in(draw, 16) ? 5 : 4)];
}

static struct policy_grant draw_grant(struct draw *draw, bool six)
{
	struct policy_grant grant = {.kind = (enum policy_grant_kind)(next(draw) % 3)};

	if (grant.kind != GRANT_HOST)
		grant.address = draw_address(draw, six && one_in(draw, 2));
	if (grant.kind != GRANT_LAN || one_in(draw, 2)) {
		grant.protocol = draw_protocol(draw);
		grant.port = draw_port(draw);
	}
	if (grant.kind == GRANT_FORWARD) {
		grant.target_port = draw_port(draw);
		grant.via_tunnel = one_in(draw, 3);
	}
	return grant;
}

static uint32_t draw_limit(struct draw *draw, uint32_t max)
{
	if (one_in(draw, 8))
		return max + (uint32_t)next(draw) % 2;
	return next_number(draw) % (max + 1);
}

/* Mostly a few, now and then as many as there can be. */
static size_t draw_count(struct draw *draw, size_t max)
{
	return one_in(draw, 24) ? max : next(draw) % 8;
}

void draw_policy(struct draw *draw, struct policy *ret_policy)
{
	struct policy policy = {
		.isolate = !one_in(draw, 3),
		.ipv6 = one_in(draw, 2),
		.tunnel = one_in(draw, 2),
		.egress = one_in(draw, 3) ? POLICY_EGRESS_NONE : POLICY_EGRESS_OPEN,
	};

	policy.dns_count = next(draw) % 3;
	for (size_t i = 0; i < policy.dns_count; i++)
		policy.dns[i] = draw_address(draw, policy.ipv6 && one_in(draw, 2));
	policy.grant_count = draw_count(draw, POLICY_GRANT_MAX);
	for (size_t i = 0; i < policy.grant_count; i++)
		policy.grants[i] = draw_grant(draw, policy.ipv6);
	policy.port_count = draw_count(draw, POLICY_PORT_MAX);
	for (size_t i = 0; i < policy.port_count; i++)
		policy.ports[i] = (struct policy_port){draw_address(draw, one_in(draw, 3)),
						       draw_port(draw), draw_port(draw)};
	policy.limits.connections = draw_limit(draw, POLICY_CONNECTIONS_MAX);
	policy.limits.new_per_second = draw_limit(draw, POLICY_NEW_MAX);
	policy.limits.dns_per_second = draw_limit(draw, POLICY_DNS_RATE_MAX);
	*ret_policy = policy;
}

void draw_tunnel(struct draw *draw, struct tunnel *ret_tunnel)
{
	struct tunnel tunnel = {
		.mtu = one_in(draw, 3) ? next(draw) * 256U : 1420,
		.address_count = 1U + next(draw) % 3,
		.dns_count = next(draw) % 3,
	};

	memset(tunnel.identity, 'a', TUNNEL_IDENTITY_LENGTH);
	for (size_t i = 0; i < tunnel.address_count; i++) {
		bool six = one_in(draw, 3);

		tunnel.addresses[i] = (struct prefix){draw_address(draw, six), six ? 128 : 32};
	}
	for (size_t i = 0; i < tunnel.dns_count; i++)
		tunnel.dns[i] = draw_address(draw, one_in(draw, 3));
	*ret_tunnel = tunnel;
}
