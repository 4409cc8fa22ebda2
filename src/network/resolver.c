/*
 * Which file dnsmasq follows. A stub on loopback is the host's own and not reachable from a
 * namespace, and it must not be.
 */
#include "network/resolver.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/text.h"
#include "network/wire.h"

#define RESOLV_CONF_MAX 65536

static const char *const files[] = {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"};

/* True for one that is not of the host's own loopback and names no link of the host's. */
static bool is_of_use(const struct address *address, bool ipv6)
{
	if (address->family == AF_INET6)
		return ipv6 && (address->v6.s6_addr[0] & 0xe0) != 0 &&
		       !IN6_IS_ADDR_LINKLOCAL(&address->v6) && !IN6_IS_ADDR_MULTICAST(&address->v6);
	return wire_is_unicast(address);
}

/* True when @line is `nameserver ADDRESS` with an address of use. */
static bool is_usable(const char *line, size_t length, bool ipv6)
{
	static const char key[] = "nameserver";
	char text[ADDRESS_TEXT_MAX];
	struct address address;
	size_t end;

	if (length < sizeof(key) || strncmp(line, key, sizeof(key) - 1) != 0)
		return false;
	line += sizeof(key) - 1;
	length -= sizeof(key) - 1;
	if (*line != ' ' && *line != '\t')
		return false;
	while (length && (*line == ' ' || *line == '\t')) {
		line++;
		length--;
	}
	for (end = 0; end < length && !strchr(" \t\r", line[end]); end++)
		;
	if (end >= sizeof(text))
		return false;
	memcpy(text, line, end);
	text[end] = '\0';
	return parse_address(text, &address) == 0 && is_of_use(&address, ipv6);
}

size_t resolver_count(const char *resolv_conf, bool ipv6)
{
	size_t count = 0;

	while (*resolv_conf) {
		size_t length = strcspn(resolv_conf, "\n");

		if (is_usable(resolv_conf, length, ipv6))
			count++;
		resolv_conf += length + (resolv_conf[length] == '\n');
	}
	return count;
}

int resolver_find(bool ipv6, const char **ret_path, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_error_ struct error reading = ERROR_INIT;
		_cleanup_free_ char *text = NULL;

		if (file_read(AT_FDCWD, files[i], RESOLV_CONF_MAX, &text, NULL, &reading) < 0)
			continue;
		if (!resolver_count(text, ipv6))
			continue;
		*ret_path = files[i];
		return 0;
	}
	error_set(err, EX_CONFIG, "the host has no resolver that the sandbox's gateway can ask");
	return error_hint(err, "name one in the Migrantfile: network: {dns: [9.9.9.9]}");
}
