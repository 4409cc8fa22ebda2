/*
 * A guest whose gateway had an address that its host also uses would be cut off from it, or worse,
 * take it for something else. Looking at the host needs no privilege.
 */
#include "network/choose.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "network/wire.h"

#define FIRST_OCTET 213
#define CHOICES	    9
#define WIRE_LENGTH 30
#define TEXT_MAX    (1 << 20)

void taken_add(struct taken *taken, const struct prefix *prefix)
{
	taken->prefixes =
		xreallocarray(taken->prefixes, taken->count + 1, sizeof(*taken->prefixes));
	taken->prefixes[taken->count++] = *prefix;
}

void taken_done(struct taken *taken)
{
	free(taken->prefixes);
	*taken = (struct taken){0};
}

static void add_v4(struct taken *taken, struct in_addr address, struct in_addr mask)
{
	struct prefix prefix = {
		.address = {.family = AF_INET, .v4 = address},
		.length = (unsigned int)__builtin_popcount(mask.s_addr),
	};

	if (prefix.length)
		taken_add(taken, &prefix);
}

/* Columns: interface, destination, gateway, flags, …, mask; numbers as the CPU holds them in hex.
 */
void taken_add_routes(struct taken *taken, const char *text)
{
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		unsigned int destination, mask;

		// NOLINTNEXTLINE(cert-err34-c): at most eight hex digits cannot overflow
		if (sscanf(line, "%*s %8x %*x %*x %*d %*d %*d %8x", &destination, &mask) == 2)
			add_v4(taken, (struct in_addr){destination}, (struct in_addr){mask});
	}
}

void taken_add_resolvers(struct taken *taken, const char *text)
{
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		char word[INET_ADDRSTRLEN];
		struct address address;

		if (sscanf(line, "nameserver %15s", word) == 1 &&
		    parse_address(word, &address) == 0 && address.family == AF_INET)
			add_v4(taken, address.v4, (struct in_addr){UINT32_MAX});
	}
}

static struct wire wire_number(unsigned int index)
{
	struct wire wire = {.length = WIRE_LENGTH};
	uint32_t network = 10U << 24 | (FIRST_OCTET + index) << 16;

	if (parse_mac(GUEST_MAC, &wire.guest_mac) < 0)
		abort();
	wire.gateway = (struct address){.family = AF_INET, .v4 = {htonl(network | 1)}};
	wire.guest = (struct address){.family = AF_INET, .v4 = {htonl(network | 2)}};
	return wire;
}

static bool is_free(const struct taken *taken, const struct wire *wire)
{
	struct prefix prefix = wire_prefix(wire);

	for (size_t i = 0; i < taken->count; i++)
		if (prefix_overlaps(&taken->prefixes[i], &prefix))
			return false;
	return true;
}

int wire_choose_among(const struct taken *taken, struct wire *ret_wire, struct error *err)
{
	for (unsigned int i = 0; i < CHOICES; i++) {
		struct wire wire = wire_number(i);

		if (is_free(taken, &wire)) {
			*ret_wire = wire;
			return 0;
		}
	}
	return error_set(
		err, EX_UNAVAILABLE,
		"the host uses all of 10.%d.0.0/30 to 10.%d.0.0/30, the wires of sandboxes",
		FIRST_OCTET, FIRST_OCTET + CHOICES - 1);
}

static void add_interfaces(struct taken *taken)
{
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *at = list; at; at = at->ifa_next) {
		struct sockaddr_in address, mask;

		if (!at->ifa_addr || !at->ifa_netmask || at->ifa_addr->sa_family != AF_INET)
			continue;
		memcpy(&address, at->ifa_addr, sizeof(address));
		memcpy(&mask, at->ifa_netmask, sizeof(mask));
		add_v4(taken, address.sin_addr, mask.sin_addr);
	}
	freeifaddrs(list);
}

int wire_choose(struct wire *ret_wire, struct error *err)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_taken_ struct taken taken = {0};
	_cleanup_free_ char *routes = NULL;
	_cleanup_free_ char *resolvers = NULL;

	add_interfaces(&taken);
	if (file_read(AT_FDCWD, "/proc/net/route", TEXT_MAX, &routes, NULL, &ignored) == 0)
		taken_add_routes(&taken, routes);
	if (file_read(AT_FDCWD, "/etc/resolv.conf", TEXT_MAX, &resolvers, NULL, &ignored) == 0)
		taken_add_resolvers(&taken, resolvers);
	return wire_choose_among(&taken, ret_wire, err);
}
