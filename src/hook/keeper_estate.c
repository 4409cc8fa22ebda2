/*
 * Taking over from an earlier keeper of the same sandbox. Its sockets are copied with
 * pidfd_getfd(2), which root may; which is which they say themselves. Only a process that root
 * noted as the keeper is asked.
 */
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "hook/keeper_parts.h"

static int get_option(int fd, int name)
{
	socklen_t length = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, name, &value, &length) < 0 ? -1 : value;
}

static bool is_nflog(int fd)
{
	return get_option(fd, SO_DOMAIN) == AF_NETLINK &&
	       get_option(fd, SO_PROTOCOL) == NETLINK_NETFILTER;
}

/* Relays and sessions are the earlier keeper's alone: they have a peer. */
static bool is_wanted(int fd)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	const int type = get_option(fd, SO_TYPE);

	if (type == SOCK_STREAM)
		return get_option(fd, SO_ACCEPTCONN) == 1;
	if (type == SOCK_DGRAM)
		return getpeername(fd, (struct sockaddr *)&peer, &length) < 0;
	return is_nflog(fd);
}

void estate_collect(struct estate *estate, int pidfd)
{
	for (int i = 0; pidfd >= 0 && i < KEEPER_FILES_MAX; i++) {
		int fd = (int)syscall(SYS_pidfd_getfd, pidfd, i, 0);

		if (fd < 0)
			continue;
		if (estate->count < sizeof(estate->fds) / sizeof(estate->fds[0]) && is_wanted(fd))
			estate->fds[estate->count++] = fd;
		else
			close(fd);
	}
}

static int take(struct estate *estate, size_t index)
{
	const int fd = estate->fds[index];

	estate->fds[index] = estate->fds[--estate->count];
	return fd;
}

static bool is_at(int fd, const struct address *address, uint16_t port)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} own = {0};
	socklen_t length = sizeof(own);
	struct address found = {0};

	if (getsockname(fd, &own.any, &length) < 0 || own.any.sa_family != address->family)
		return false;
	found.family = own.any.sa_family;
	if (found.family == AF_INET) {
		found.v4 = own.v4.sin_addr;
		return own.v4.sin_port == htons(port) && address_equal(&found, address);
	}
	found.v6 = own.v6.sin6_addr;
	return own.v6.sin6_port == htons(port) && address_equal(&found, address);
}

int estate_take_socket(struct estate *estate, int type, const struct address *address,
		       uint16_t port)
{
	for (size_t i = 0; i < estate->count; i++)
		if (get_option(estate->fds[i], SO_TYPE) == type &&
		    is_at(estate->fds[i], address, port))
			return take(estate, i);
	return -1;
}

int estate_take_nflog(struct estate *estate)
{
	for (size_t i = 0; i < estate->count; i++)
		if (is_nflog(estate->fds[i]))
			return take(estate, i);
	return -1;
}

void estate_done(struct estate *estate)
{
	while (estate->count)
		close(take(estate, 0));
}
