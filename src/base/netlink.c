/*
 * The socket under links, addresses, routes and rules: one request, one acknowledgement, in order.
 */
#include "base/netlink.h"

#include <libmnl/libmnl.h>
#include <linux/netlink.h>

#include "base/text.h"

#define RECEIVE_MAX 32768

int netlink_open(struct netlink *netlink, struct error *err)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int on = 1;

	if (!socket)
		return error_errno(err, EX_OSERR, "cannot open a netlink socket");
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		error_errno(err, EX_OSERR, "cannot bind a netlink socket");
		mnl_socket_close(socket);
		return -1;
	}
	/* Dumps are filtered by the kernel then; without it they are longer, not wrong. */
	(void)mnl_socket_setsockopt(socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	netlink->socket = socket;
	netlink->sequence = 0;
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	netlink->socket = NULL;
}

/* Reads answers until the acknowledgement or the end of the dump. -1 with errno. */
static int receive(struct netlink *netlink, mnl_cb_t each, void *data)
{
	_cleanup_free_ char *buffer = xcalloc(1, RECEIVE_MAX);
	unsigned int port = mnl_socket_get_portid(netlink->socket);

	for (;;) {
		ssize_t got = mnl_socket_recvfrom(netlink->socket, buffer, RECEIVE_MAX);
		int result;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		result = mnl_cb_run(buffer, (size_t)got, netlink->sequence, port, each, data);
		if (result <= MNL_CB_STOP)
			return result < 0 ? -1 : 0;
	}
}

int netlink_ask(struct netlink *netlink, struct nlmsghdr *message,
		int (*answer)(const struct nlmsghdr *message, void *data), void *data)
{
	message->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	message->nlmsg_seq = ++netlink->sequence;
	if (mnl_socket_sendto(netlink->socket, message, message->nlmsg_len) < 0)
		return -1;
	return receive(netlink, answer, data);
}

int netlink_request(struct netlink *netlink, struct nlmsghdr *message)
{
	return netlink_ask(netlink, message, NULL, NULL);
}

void netlink_put_address(struct nlmsghdr *message, uint16_t type, const struct address *address)
{
	mnl_attr_put(message, type, address_size(address), address_bytes(address));
}

void netlink_read_address(const struct nlattr *attr, struct address *address)
{
	if (mnl_attr_get_payload_len(attr) == sizeof(address->v4)) {
		address->family = AF_INET;
		memcpy(&address->v4, mnl_attr_get_payload(attr), sizeof(address->v4));
	} else if (mnl_attr_get_payload_len(attr) == sizeof(address->v6)) {
		address->family = AF_INET6;
		memcpy(&address->v6, mnl_attr_get_payload(attr), sizeof(address->v6));
	}
}

int netlink_dump(struct netlink *netlink, struct nlmsghdr *message,
		 int (*each)(const struct nlmsghdr *message, void *data), void *data)
{
	message->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = ++netlink->sequence;
	if (mnl_socket_sendto(netlink->socket, message, message->nlmsg_len) < 0)
		return -1;
	return receive(netlink, each, data);
}
