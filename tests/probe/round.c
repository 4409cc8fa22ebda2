/*
 * The sockets of a round. Each connection and each UDP target has one of its own, so that an error
 * that comes back is told apart; echoes share one a family and are told apart by their sequence.
 *
 * Every datagram carries the machine's uptime: where it arrives can be seen how early it was sent.
 */
#include "round.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/text.h"

#define PACKET_MAX 2048

struct round {
	struct target *targets;
	size_t count;
	/* One for each target, then one for the echoes of each family; fd is -1 when unused. */
	struct pollfd *sockets;
	int wire; /* for frames, or -1 */
};

enum { ECHO_V4, ECHO_V6, ECHO_COUNT };

uint64_t uptime(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct answer error_answer(void)
{
	return (struct answer){RESULT_ERROR, errno};
}

/* It may broadcast, and does not hear its own multicasts: an answer is somebody else's. */
static int open_socket(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol), one = 1, zero = 0;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
	if (family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &zero, sizeof(zero));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &zero, sizeof(zero));
	return fd;
}

static void end(struct round *round, size_t i, struct answer answer)
{
	round->targets[i].answer = answer;
	if (round->sockets[i].fd >= 0)
		close(round->sockets[i].fd);
	round->sockets[i].fd = -1;
}

/* -- beginning ----------------------------------------------------------------------------------*/

static bool begin_connection(struct target *target, struct pollfd *pollfd)
{
	pollfd->fd = open_socket(target->address.any.sa_family, SOCK_STREAM, 0);
	pollfd->events = POLLOUT;
	return pollfd->fd >= 0 &&
	       (connect(pollfd->fd, &target->address.any, target->address_length) == 0 ||
		errno == EINPROGRESS);
}

static bool begin_datagram(struct target *target, struct pollfd *pollfd)
{
	_cleanup_free_ char *text = text_format("probe %llu", (unsigned long long)uptime());

	pollfd->fd = open_socket(target->address.any.sa_family, SOCK_DGRAM, 0);
	pollfd->events = POLLIN;
	return pollfd->fd >= 0 &&
	       connect(pollfd->fd, &target->address.any, target->address_length) == 0 &&
	       send(pollfd->fd, text, strlen(text), 0) >= 0;
}

static uint16_t checksum(const void *bytes, size_t length)
{
	const uint8_t *octets = bytes;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)octets[i] << 8 | octets[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static uint16_t own_id(void)
{
	return htons((uint16_t)getpid());
}

static bool begin_echo(struct round *round, size_t i)
{
	struct target *target = &round->targets[i];
	bool v4 = target->address.any.sa_family == AF_INET;
	int fd = round->sockets[round->count + (v4 ? ECHO_V4 : ECHO_V6)].fd;
	struct {
		struct icmphdr header; /* that of ICMPv6 has the same shape */
		char text[8];
	} echo = {.header = {.type = v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST,
			     .un.echo = {.id = own_id(), .sequence = htons((uint16_t)i)}},
		  .text = "probe..."};
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} to;

	memcpy(&to, &target->address, sizeof(to));
	to.v4.sin_port = 0; /* of a raw socket over IPv6: the protocol */
	if (v4)
		echo.header.checksum = checksum(&echo, sizeof(echo)); /* else the kernel's work */
	return sendto(fd, &echo, sizeof(echo), 0, &to.any, target->address_length) >= 0;
}

static bool send_raw(const struct target *target)
{
	_cleanup_close_ int fd =
		open_socket(target->address.any.sa_family, SOCK_RAW, target->protocol);

	return fd >= 0 &&
	       sendto(fd, (char[16]){0}, 16, 0, &target->address.any, target->address_length) >= 0;
}

static bool send_frame(const struct round *round, const struct target *target)
{
	return send(round->wire, target->frame, target->frame_length, 0) >= 0;
}

static void begin(struct round *round, size_t i)
{
	struct target *target = &round->targets[i];
	bool good = false;

	errno = 0;
	target->answer = (struct answer){RESULT_NONE, 0};
	switch (target->way) {
	case WAY_TCP:
		good = begin_connection(target, &round->sockets[i]);
		break;
	case WAY_UDP:
		good = begin_datagram(target, &round->sockets[i]);
		break;
	case WAY_ECHO:
		good = begin_echo(round, i);
		break;
	case WAY_RAW:
		good = send_raw(target);
		break;
	case WAY_FRAME:
		good = send_frame(round, target);
		break;
	}
	if (!good)
		end(round, i, error_answer());
	else if (target->way == WAY_RAW || target->way == WAY_FRAME)
		end(round, i, (struct answer){RESULT_SENT, 0});
}

/* -- what comes back ----------------------------------------------------------------------------*/

static void take_connection(struct round *round, size_t i)
{
	socklen_t length = sizeof(int);
	int error = 0;

	if (getsockopt(round->sockets[i].fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	end(round, i, (struct answer){error ? RESULT_ERROR : RESULT_OPEN, error});
}

static void take_datagram(struct round *round, size_t i)
{
	char bytes[PACKET_MAX];

	if (recv(round->sockets[i].fd, bytes, sizeof(bytes), 0) >= 0)
		end(round, i, (struct answer){RESULT_ANSWERED, 0});
	else if (errno != EAGAIN)
		end(round, i, error_answer());
}

/* Ends the echo that the ICMP header at @bytes belongs to. */
static void end_echo(struct round *round, int family, const uint8_t *bytes, struct answer answer)
{
	struct icmphdr echo;
	size_t i;

	memcpy(&echo, bytes, sizeof(echo));
	i = ntohs(echo.un.echo.sequence);
	if (echo.un.echo.id == own_id() && i < round->count && round->targets[i].way == WAY_ECHO &&
	    round->targets[i].address.any.sa_family == family &&
	    round->targets[i].answer.result == RESULT_NONE)
		end(round, i, answer);
}

static void take_icmp(struct round *round, const uint8_t *bytes, size_t length)
{
	const size_t outer = length ? (bytes[0] & 0xfU) * 4U : 0, icmp = sizeof(struct icmphdr);
	size_t inner = outer + icmp;

	if (length < outer + icmp)
		return;
	if (bytes[outer] == ICMP_ECHOREPLY)
		end_echo(round, AF_INET, bytes + outer, (struct answer){RESULT_ANSWERED, 0});
	if (bytes[outer] != ICMP_DEST_UNREACH || length < inner + sizeof(struct iphdr) ||
	    bytes[inner + 9] != IPPROTO_ICMP)
		return;
	inner += (bytes[inner] & 0xfU) * 4U;
	if (length >= inner + icmp)
		end_echo(round, AF_INET, bytes + inner,
			 (struct answer){RESULT_UNREACHABLE, bytes[outer + 1]});
}

static void take_icmp6(struct round *round, const uint8_t *bytes, size_t length)
{
	const size_t icmp = sizeof(struct icmphdr), inner = icmp + sizeof(struct ip6_hdr);

	if (length >= icmp && bytes[0] == ICMP6_ECHO_REPLY)
		end_echo(round, AF_INET6, bytes, (struct answer){RESULT_ANSWERED, 0});
	if (length >= inner + icmp && bytes[0] == ICMP6_DST_UNREACH &&
	    bytes[icmp + 6] == IPPROTO_ICMPV6)
		end_echo(round, AF_INET6, bytes + inner,
			 (struct answer){RESULT_UNREACHABLE, bytes[1]});
}

static void take_echoes(struct round *round, int which)
{
	uint8_t bytes[PACKET_MAX];
	ssize_t length;

	while ((length = recv(round->sockets[round->count + (size_t)which].fd, bytes, sizeof(bytes),
			      0)) >= 0)
		(which == ECHO_V4 ? take_icmp : take_icmp6)(round, bytes, (size_t)length);
}

static void take(struct round *round)
{
	for (size_t i = 0; i < round->count; i++) {
		if (round->sockets[i].fd < 0 || !round->sockets[i].revents)
			continue;
		if (round->targets[i].way == WAY_TCP)
			take_connection(round, i);
		else
			take_datagram(round, i);
	}
	for (int which = 0; which < ECHO_COUNT; which++)
		if (round->sockets[round->count + (size_t)which].revents)
			take_echoes(round, which);
}

/* -- the whole ----------------------------------------------------------------------------------*/

static int open_wire(const char *interface)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
				      .sll_ifindex = (int)if_nametoindex(interface)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* 0: it hears nothing */

	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	cleanup_close(&fd);
	return -1;
}

static void open_echoes(struct round *round)
{
	struct pollfd *sockets = round->sockets + round->count;

	sockets[ECHO_V4].fd = open_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	sockets[ECHO_V6].fd = open_socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	sockets[ECHO_V4].events = sockets[ECHO_V6].events = POLLIN;
}

static bool is_waiting(const struct round *round)
{
	for (size_t i = 0; i < round->count; i++)
		if (round->targets[i].answer.result == RESULT_NONE)
			return true;
	return false;
}

void round_run(struct target *targets, size_t count, const char *interface, unsigned int wait)
{
	_cleanup_free_ struct pollfd *sockets = xcalloc(count + ECHO_COUNT, sizeof(*sockets));
	_cleanup_close_ int wire = open_wire(interface);
	struct round round = {targets, count, sockets, wire};
	const uint64_t until = uptime() + wait;
	uint64_t now;

	for (size_t i = 0; i < count; i++)
		sockets[i].fd = -1;
	open_echoes(&round);
	for (size_t i = 0; i < count; i++)
		begin(&round, i);
	while (is_waiting(&round) && (now = uptime()) < until) {
		poll(sockets, count + ECHO_COUNT, (int)(until - now));
		take(&round);
	}
	for (size_t i = 0; i < count; i++) {
		if (targets[i].answer.result == RESULT_NONE)
			end(&round, i, (struct answer){RESULT_TIMEOUT, 0});
		target_count(&targets[i]);
	}
	for (size_t i = 0; i < ECHO_COUNT; i++)
		cleanup_close(&sockets[count + i].fd);
}
