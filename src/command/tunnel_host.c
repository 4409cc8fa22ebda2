/*
 * What a tunnel needs of the host: the addresses of its peers, how large a packet the way to them
 * takes, and a WireGuard. The first two are asked once, before the start; what WireGuard itself
 * learns later (a peer that roams) is its own affair.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/process.h"
#include "base/text.h"
#include "command/tunnel_file.h"

#define RESOLVE_SECONDS 20 /* two resolvers that do not answer, and a little */
#define ANSWER_MAX	65536
#define OVERHEAD	80 /* IPv6 40, UDP 8, WireGuard 32 */

/* The first word of the first line: getaddrinfo(3) has put the best one first. */
static int first_address(char *answer, struct address *ret_address)
{
	answer[strcspn(answer, " \t\n")] = '\0';
	return parse_address(answer, ret_address);
}

/*
 * getent is getaddrinfo(3) in a process that can be ended, which a resolver that does not answer
 * makes necessary.
 */
static int resolve(struct wireguard_endpoint *endpoint, struct error *err)
{
	const char *const argv[] = {"getent", "ahosts", endpoint->host, NULL};
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
	_cleanup_error_ struct error cause = ERROR_INIT;
	struct process process = PROCESS_INIT;

	process.argv = argv;
	process.errors = PROCESS_NULL;
	process.timeout = RESOLVE_SECONDS;
	if (process_capture(&process, ANSWER_MAX, &answer, &cause) == 0 && answer.length &&
	    first_address(answer.text, &endpoint->address) == 0)
		return 0;
	if (interrupt_pending())
		return interrupt_error(err);
	if (cause.code == EX_TEMPFAIL)
		return error_set(
			err, EX_TEMPFAIL,
			"nobody answered within %d s what address the tunnel's endpoint %s has",
			RESOLVE_SECONDS, endpoint->host);
	error_set(err, EX_UNAVAILABLE,
		  "the tunnel's endpoint %s has no address that this host can find",
		  endpoint->host);
	return error_hint(err,
			  "is the host online? an address in place of the name needs no resolver");
}

int tunnel_resolve(struct wireguard *wireguard, struct error *err)
{
	for (size_t i = 0; i < wireguard->peer_count; i++) {
		struct wireguard_endpoint *endpoint = &wireguard->peers[i].endpoint;

		if (*endpoint->host && resolve(endpoint, err) < 0)
			return -1;
	}
	return 0;
}

static socklen_t socket_address(const struct wireguard_endpoint *endpoint,
				struct sockaddr_storage *ret_address)
{
	struct sockaddr_storage storage = {.ss_family = (sa_family_t)endpoint->address.family};
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&storage;
	bool is_ipv6 = endpoint->address.family == AF_INET6;

	if (is_ipv6) {
		v6->sin6_addr = endpoint->address.v6;
		v6->sin6_port = htons(endpoint->port);
	} else {
		v4->sin_addr = endpoint->address.v4;
		v4->sin_port = htons(endpoint->port);
	}
	*ret_address = storage;
	return is_ipv6 ? sizeof(*v6) : sizeof(*v4);
}

/* What the kernel's routes say, without sending anything; 0: nothing. */
static unsigned int path_mtu(const struct wireguard_endpoint *endpoint)
{
	bool is_ipv6 = endpoint->address.family == AF_INET6;
	struct sockaddr_storage address;
	socklen_t length = socket_address(endpoint, &address);
	_cleanup_close_ int fd =
		socket(endpoint->address.family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
	int mtu = 0;
	socklen_t size = sizeof(mtu);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, length) < 0 ||
	    getsockopt(fd, is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, is_ipv6 ? IPV6_MTU : IP_MTU, &mtu,
		       &size) < 0)
		return 0;
	return mtu > 0 ? (unsigned int)mtu : 0;
}

uint32_t tunnel_find_mtu(const struct wireguard *wireguard)
{
	uint32_t least =
		wireguard_carries(wireguard, AF_INET6) ? WIREGUARD_MTU_MIN_IPV6 : WIREGUARD_MTU_MIN;
	uint32_t mtu = WIREGUARD_MTU_DEFAULT;

	for (size_t i = 0; i < wireguard->peer_count; i++) {
		const struct wireguard_endpoint *endpoint = &wireguard->peers[i].endpoint;
		unsigned int path = endpoint->address.family ? path_mtu(endpoint) : 0;

		if (path && path < mtu + OVERHEAD)
			mtu = path > least + OVERHEAD ? path - OVERHEAD : least;
	}
	return mtu;
}

/* True when the running kernel has the module, loaded, built in or on the disk. */
static bool kernel_has_wireguard(void)
{
	static const char *const lists[] = {"modules.dep", "modules.builtin"};
	struct utsname kernel;

	if (access("/sys/module/wireguard", F_OK) == 0)
		return true;
	for (size_t i = 0; uname(&kernel) == 0 && i < ARRAY_SIZE(lists); i++) {
		_cleanup_free_ char *path =
			text_format("/lib/modules/%s/%s", kernel.release, lists[i]);
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ char *text = NULL;

		if (file_read(AT_FDCWD, path, 16 << 20, &text, NULL, &err) == 0 &&
		    strstr(text, "/wireguard.ko"))
			return true;
	}
	return false;
}

const char *tunnel_backend(void)
{
	_cleanup_free_ char *program = NULL;

	if (kernel_has_wireguard())
		return "the kernel";
	program = process_find("wireguard-go");
	return program ? "wireguard-go" : NULL;
}

int tunnel_check_programs(struct error *err)
{
	_cleanup_free_ char *wg = process_find("wg");

	if (!wg) {
		error_set(err, EX_UNAVAILABLE, "wg is not installed, which a tunnel needs");
		return error_hint(err, "Debian: apt-get install wireguard-tools");
	}
	if (tunnel_backend())
		return 0;
	error_set(err, EX_UNAVAILABLE,
		  "the kernel has no WireGuard, and wireguard-go is not installed");
	return error_hint(err, "Debian: apt-get install wireguard-go");
}
