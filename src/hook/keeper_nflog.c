/*
 * The packets that the rules log (`log group 1`), from the kernel's NFLOG: linux/netfilter/
 * nfnetlink_log.h. The socket belongs to the sandbox's namespace and gets that one's packets only;
 * it is set up as root and read without any right.
 */
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/text.h"
#include "hook/keeper_parts.h"

#define GROUP		1
#define COPY_MAX	600 /* bytes of a packet; the rules ask for less */
#define FLUSH_DELAY	10  /* hundredths of a second that packets may be collected for */
#define FLUSH_COUNT	32  /* or until there are so many */
#define QUEUE_MAX	(1024 * 1024)
#define REQUEST_MAX	256
#define READS_PER_TURN	16
#define RECEIVE_TIMEOUT 5 /* seconds, for the kernel's acknowledgement */

static struct nlmsghdr *new_request(char *buffer)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header;

	message->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = AF_UNSPEC;
	header->version = NFNETLINK_V0;
	header->res_id = htons(GROUP);
	return message;
}

/* Sends, and waits for the acknowledgement. -1 with errno. */
static int request(int fd, const struct nlmsghdr *message)
{
	char answer[1024];
	ssize_t got;

	if (send(fd, message, message->nlmsg_len, 0) < 0)
		return -1;
	for (;;) {
		const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)answer;
		const struct nlmsgerr *result;

		got = recv(fd, answer, sizeof(answer), 0);
		if (got < 0)
			return -1;
		/* A packet may come before the answer to the request that follows the binding. */
		if (!mnl_nlmsg_ok(header, (int)got) || header->nlmsg_type != NLMSG_ERROR)
			continue;
		result = mnl_nlmsg_get_payload(header);
		errno = -result->error;
		return result->error ? -1 : 0;
	}
}

static int bind_group(int fd)
{
	const struct nfulnl_msg_config_cmd bind_command = {.command = NFULNL_CFG_CMD_BIND};
	char buffer[REQUEST_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *message = new_request(buffer);

	mnl_attr_put(message, NFULA_CFG_CMD, sizeof(bind_command), &bind_command);
	return request(fd, message);
}

static int configure(int fd)
{
	const struct nfulnl_msg_config_mode mode = {.copy_range = htonl(COPY_MAX),
						    .copy_mode = NFULNL_COPY_PACKET};
	char buffer[REQUEST_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *message = new_request(buffer);

	mnl_attr_put(message, NFULA_CFG_MODE, sizeof(mode), &mode);
	mnl_attr_put_u32(message, NFULA_CFG_TIMEOUT, htonl(FLUSH_DELAY));
	mnl_attr_put_u32(message, NFULA_CFG_QTHRESH, htonl(FLUSH_COUNT));
	mnl_attr_put_u16(message, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
	return request(fd, message);
}

int nflog_open(int *ret_fd, struct error *err)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	const struct timeval patience = {.tv_sec = RECEIVE_TIMEOUT};
	const struct sockaddr_nl any = {.nl_family = AF_NETLINK};
	const int queue = QUEUE_MAX;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return error_errno(err, EX_OSERR, "cannot open a netlink socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &queue, sizeof(queue));
	if (bind_group(fd) < 0 || configure(fd) < 0)
		return error_errno(err, EX_OSERR, "cannot read the log of packets (NFLOG)");
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Gaps in the numbers are packets that the queue had no room for. */
static void check_sequence(struct keeper *keeper, const struct nlattr *attr)
{
	const uint32_t number = ntohl(mnl_attr_get_u32(attr));

	if (keeper->nflog_has_sequence && number != keeper->nflog_sequence)
		log_lost(&keeper->log, (uint32_t)(number - keeper->nflog_sequence));
	keeper->nflog_has_sequence = true;
	keeper->nflog_sequence = number + 1;
}

/* What of a message matters, borrowed from it. */
struct packet {
	struct keeper *keeper;
	const char *prefix;
	const struct nlattr *payload;
};

static int read_attribute(const struct nlattr *attr, void *data)
{
	struct packet *packet = data;

	switch (mnl_attr_get_type(attr)) {
	case NFULA_PREFIX:
		if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			packet->prefix = mnl_attr_get_str(attr);
		break;
	case NFULA_SEQ:
		if (mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			check_sequence(packet->keeper, attr);
		break;
	case NFULA_PAYLOAD:
		packet->payload = attr;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static void handle_packet(struct keeper *keeper, const struct nlmsghdr *message)
{
	struct packet packet = {.keeper = keeper};
	enum event_kind kind;
	struct event event;

	if (mnl_attr_parse(message, sizeof(struct nfgenmsg), read_attribute, &packet) < 0 ||
	    !packet.prefix || !packet.payload || !event_kind_parse(packet.prefix, &kind))
		return;
	if (event_parse_packet(kind, mnl_attr_get_payload(packet.payload),
			       mnl_attr_get_payload_len(packet.payload), &event))
		log_write(&keeper->log, &event, keeper->now_ms);
}

void nflog_receive(struct keeper *keeper, struct source *source, uint32_t events)
{
	(void)events;
	for (int i = 0; i < READS_PER_TURN; i++) {
		const struct nlmsghdr *message = (const void *)keeper->buffer;
		struct sockaddr_nl sender = {0};
		socklen_t size = sizeof(sender);
		int left = (int)recvfrom(source->fd, keeper->buffer, sizeof(keeper->buffer),
					 MSG_DONTWAIT, (struct sockaddr *)&sender, &size);

		if (left < 0 && errno == ENOBUFS) /* told by the numbers as well */
			continue;
		if (left < 0)
			return;
		if (sender.nl_pid != 0)
			continue;
		for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
			if (message->nlmsg_type == (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
				handle_packet(keeper, message);
	}
}
