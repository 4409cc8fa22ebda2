/*
 * Opening what the keeper works with. What lies in the sandbox's namespace, and the log, are opened
 * as root; the ports of the host as the owner, so that nobody gets a port by way of a sandbox that
 * he could not listen on himself.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/text.h"
#include "hook/keeper.h"
#include "hook/keeper_parts.h"
#include "network/gateway.h"
#include "network/netns.h"

#define BACKLOG 128

static socklen_t fill_address(const struct address *address, uint16_t port,
			      struct sockaddr_storage *ret_socket_address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret_socket_address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_socket_address;

	*ret_socket_address = (struct sockaddr_storage){.ss_family = (sa_family_t)address->family};
	if (address->family == AF_INET) {
		v4->sin_port = htons(port);
		v4->sin_addr = address->v4;
		return sizeof(*v4);
	}
	v6->sin6_port = htons(port);
	v6->sin6_addr = address->v6;
	return sizeof(*v6);
}

/* An error that says which port, and what can be done about it. */
static int bind_error(const struct address *address, uint16_t port, struct error *err)
{
	const int number = errno;
	char text[ADDRESS_TEXT_MAX];
	int code = EX_OSERR;

	address_format(address, text);
	if (number == EADDRINUSE || number == EADDRNOTAVAIL)
		code = EX_UNAVAILABLE;
	else if (number == EACCES)
		code = EX_NOPERM;
	errno = number;
	error_errno(err, code, "cannot listen on port %u of %s", port, text);
	if (number == EADDRINUSE)
		return error_hint(err, "end what listens there, or choose another port");
	if (number == EADDRNOTAVAIL)
		return error_hint(err, "that is no address of this host");
	if (number == EACCES)
		return error_hint(err, "choose a port from 1024 up");
	return -1;
}

/* Binds a socket of @type. -1 with errno. */
static int bind_socket(const struct address *address, uint16_t port, int type, bool anyway)
{
	struct sockaddr_storage socket_address;
	socklen_t length = fill_address(address, port, &socket_address);
	_cleanup_close_ int fd = socket(address->family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int on = 1, off = 0;

	if (fd < 0)
		return -1;
	/* TCP only: for UDP it would let two listen on one port. */
	if (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -1;
	if (anyway && setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) < 0)
		return -1;
	/* `::` is every address of both families, whatever the host's default. */
	if (address->family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)&socket_address, length) < 0 ||
	    (type == SOCK_STREAM && listen(fd, BACKLOG) < 0))
		return -1;
	return take_fd(&fd);
}

int keeper_listen(const struct address *address, uint16_t port, bool anyway, int *ret_fd,
		  struct error *err)
{
	int fd = bind_socket(address, port, SOCK_STREAM, anyway);

	if (fd < 0)
		return bind_error(address, port, err);
	*ret_fd = fd;
	return 0;
}

static void add_listener(struct keeper *keeper, int fd, uint8_t protocol, bool is_grant,
			 uint16_t target_port)
{
	keeper->listeners[keeper->listener_count++] = (struct listener){
		.source.fd = fd,
		.source.handle = protocol == IPPROTO_UDP ? udp_receive : tcp_accept,
		.protocol = protocol,
		.is_grant = is_grant,
		.target_port = target_port,
	};
}

static int open_grants(struct keeper *keeper, struct estate *estate, struct error *err)
{
	const struct keeper_config *config = keeper->config;

	for (size_t i = 0; i < config->grant_count; i++) {
		const struct keeper_grant *grant = &config->grants[i];
		const int type = grant->protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
		int fd = estate_take_socket(estate, type, &config->gateway, grant->port);

		if (fd < 0)
			fd = bind_socket(&config->gateway, grant->port, type, true);
		if (fd < 0)
			return bind_error(&config->gateway, grant->port, err);
		add_listener(keeper, fd, grant->protocol, true, grant->port);
	}
	return 0;
}

static int open_nflog(struct keeper *keeper, struct estate *estate, struct error *err)
{
	int fd = estate_take_nflog(estate);

	if (fd < 0 && nflog_open(&fd, err) < 0)
		return -1;
	keeper->nflog = (struct source){.fd = fd, .handle = nflog_receive};
	return 0;
}

int keeper_open_inside(struct keeper *keeper, const char *name, struct estate *estate,
		       struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	_cleanup_free_ char *netns_name = gateway_netns(name);
	_cleanup_close_ int netns = -1;

	if (netns_open(netns_name, &netns, err) < 0)
		return -1;
	if (netns < 0)
		return error_set(err, EX_SOFTWARE, "the namespace %s is gone", netns_name);
	if (netns_enter(&scope, netns, err) < 0 || open_grants(keeper, estate, err) < 0)
		return -1;
	return open_nflog(keeper, estate, err);
}

int keeper_open_ports(struct keeper *keeper, struct estate *estate, struct error *err)
{
	const struct keeper_config *config = keeper->config;

	for (size_t i = 0; i < config->port_count; i++) {
		const struct policy_port *port = &config->ports[i];
		int fd = estate_take_socket(estate, SOCK_STREAM, &port->bind, port->host);

		if (fd < 0 && keeper_listen(&port->bind, port->host, false, &fd, err) < 0)
			return -1;
		add_listener(keeper, fd, IPPROTO_TCP, false, port->guest);
	}
	return 0;
}
