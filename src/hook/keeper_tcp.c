/*
 * Relaying TCP. A relay has two sides, and each direction of it moves on its own: what one side
 * sends goes straight to the other; what the other does not take is kept, at most one buffer, and
 * no more is read until it is gone. The end of one direction is passed on as such, so half-closed
 * connections work. A side that is reset resets the other.
 *
 * Nothing ends a relay for being slow: one that stands still costs a slot and a buffer, of which
 * there are so many. When they are used up no further connection is taken (the kernel lets them
 * wait, then refuses), until one has ended.
 */
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/text.h"
#include "hook/keeper_parts.h"

#define ACCEPTS_PER_TURN 64
#define READS_PER_TURN	 16
#define RESUME_MS	 200 /* after the host ran out of descriptors or memory */

struct side {
	struct source source;
	struct relay *relay;
	char *waiting; /* bytes for this side that it did not take yet */
	size_t length, offset;
	bool has_ended; /* it sends no more */
	bool is_told;	/* it was told that the other sends no more */
};

enum { NEAR, FAR }; /* who came, and whom it is put through to */

struct relay {
	struct side sides[2];
	struct relay_class *class;
	struct relay *next, *before;
	int64_t connect_by_ms; /* 0: connected */
	bool is_ended;
};

static struct side *other_side(struct side *side)
{
	return &side->relay->sides[side == &side->relay->sides[NEAR] ? FAR : NEAR];
}

/* Closes with a reset instead of an orderly end. */
static void reset(int fd)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void unlink_relay(struct relay *relay)
{
	struct relay_class *class = relay->class;

	if (relay->before)
		relay->before->next = relay->next;
	else
		class->first = relay->next;
	if (relay->next)
		relay->next->before = relay->before;
	class->count--;
	class->connecting -= relay->connect_by_ms != 0;
}

/* Ends a relay. It is freed later: epoll may have told of its other side in the same turn. */
static void end_relay(struct keeper *keeper, struct relay *relay, bool with_reset)
{
	if (relay->is_ended)
		return;
	relay->is_ended = true;
	for (int i = NEAR; i <= FAR; i++) {
		struct side *side = &relay->sides[i];

		if (with_reset && side->source.fd >= 0) {
			source_ignore(keeper, &side->source);
			reset(side->source.fd);
			side->source.fd = -1;
		}
		source_close(keeper, &side->source);
		free(side->waiting);
		side->waiting = NULL;
	}
	unlink_relay(relay);
	relay->next = keeper->ended;
	keeper->ended = relay;
	if (relay->class->is_paused)
		relay->class->resume_ms = keeper->now_ms;
}

void tcp_sweep(struct keeper *keeper)
{
	while (keeper->ended) {
		struct relay *relay = keeper->ended;

		keeper->ended = relay->next;
		free(relay);
	}
}

/* Moving bytes. Each returns false when the relay must be reset. */

static bool would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Sends as much as the side takes; *ret_sent is how much. */
static bool send_some(struct side *to, const char *bytes, size_t length, size_t *ret_sent)
{
	ssize_t sent = send(to->source.fd, bytes, length, MSG_NOSIGNAL);

	*ret_sent = sent > 0 ? (size_t)sent : 0;
	return sent >= 0 || would_block();
}

static bool send_waiting(struct side *to)
{
	size_t sent;

	if (!to->waiting)
		return true;
	if (!send_some(to, to->waiting + to->offset, to->length - to->offset, &sent))
		return false;
	to->offset += sent;
	if (to->offset == to->length) {
		free(to->waiting);
		to->waiting = NULL;
	}
	return true;
}

/* Sends, and keeps what is not taken. */
static bool send_or_keep(struct side *to, const char *bytes, size_t length)
{
	size_t sent;

	if (!send_some(to, bytes, length, &sent))
		return false;
	if (sent < length) {
		to->waiting = text_dup_n(bytes + sent, length - sent);
		to->length = length - sent;
		to->offset = 0;
	}
	return true;
}

/* Moves what @from has sent on to @to, until there is nothing, no room, or others shall have a
 * turn.
 */
static bool move(struct keeper *keeper, struct side *from, struct side *to)
{
	if (!send_waiting(to))
		return false;
	for (int i = 0; i < READS_PER_TURN && !to->waiting && !from->has_ended; i++) {
		ssize_t got = recv(from->source.fd, keeper->buffer, sizeof(keeper->buffer), 0);

		if (got < 0)
			return would_block();
		if (got == 0)
			from->has_ended = true;
		else if (!send_or_keep(to, keeper->buffer, (size_t)got))
			return false;
	}
	if (from->has_ended && !to->waiting && !to->is_told) {
		shutdown(to->source.fd, SHUT_WR);
		to->is_told = true;
	}
	return true;
}

static uint32_t wanted_events(struct side *side)
{
	uint32_t events = 0;

	if (!side->has_ended && !other_side(side)->waiting)
		events |= EPOLLIN;
	if (side->waiting)
		events |= EPOLLOUT;
	return events;
}

/* @hung_up: epoll would go on telling that this side is through, when nothing else is awaited. */
static void watch_side(struct keeper *keeper, struct side *side, bool hung_up)
{
	const uint32_t events = wanted_events(side);

	if (!events && hung_up)
		source_ignore(keeper, &side->source);
	else
		source_watch(keeper, &side->source, events);
}

bool socket_is_to_itself(int fd)
{
	struct sockaddr_storage own = {0}, peer = {0};
	socklen_t own_length = sizeof(own), peer_length = sizeof(peer);

	return getsockname(fd, (struct sockaddr *)&own, &own_length) == 0 &&
	       getpeername(fd, (struct sockaddr *)&peer, &peer_length) == 0 &&
	       own_length == peer_length && memcmp(&own, &peer, own_length) == 0;
}

/* True once the far side is connected. False with the relay ended when it cannot be. */
static bool finish_connect(struct keeper *keeper, struct relay *relay, struct side *side)
{
	const int fd = relay->sides[FAR].source.fd;
	socklen_t length = sizeof(int);
	int error = 0;

	if (side != &relay->sides[FAR])
		return false; /* who came waits, or has gone: EPOLLERR and EPOLLHUP ended that */
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 || error ||
	    socket_is_to_itself(fd)) {
		end_relay(keeper, relay, true);
		return false;
	}
	relay->connect_by_ms = 0;
	relay->class->connecting--;
	return true;
}

static void handle_side(struct keeper *keeper, struct source *source, uint32_t events)
{
	struct side *side = (struct side *)source;
	struct relay *relay = side->relay;
	struct side *near = &relay->sides[NEAR], *far = &relay->sides[FAR];

	if (relay->is_ended)
		return;
	if (events & EPOLLERR || (relay->connect_by_ms && side == near && events & EPOLLHUP)) {
		end_relay(keeper, relay, true);
		return;
	}
	if (relay->connect_by_ms && !finish_connect(keeper, relay, side))
		return;
	if (!move(keeper, near, far) || !move(keeper, far, near)) {
		end_relay(keeper, relay, true);
		return;
	}
	if (near->is_told && far->is_told) {
		end_relay(keeper, relay, false);
		return;
	}
	watch_side(keeper, side, events & EPOLLHUP);
	/* The other may have been let go for having hung up: that stays so unless it is needed. */
	watch_side(keeper, other_side(side), !other_side(side)->source.is_registered);
}

/* Beginning. */

/* Peers that vanish without a word are noticed, and small writes go out at once. */
static void set_options(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{SOL_SOCKET, SO_KEEPALIVE, 1},	  {IPPROTO_TCP, TCP_KEEPIDLE, 60},
		{IPPROTO_TCP, TCP_KEEPINTVL, 10}, {IPPROTO_TCP, TCP_KEEPCNT, 6},
		{IPPROTO_TCP, TCP_NODELAY, 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		(void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
				 sizeof(options[i].value));
}

static int connect_far(const struct keeper *keeper, const struct listener *listener)
{
	struct sockaddr_in target = {.sin_family = AF_INET,
				     .sin_port = htons(listener->target_port)};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	target.sin_addr.s_addr =
		listener->is_grant ? htonl(INADDR_LOOPBACK) : keeper->config->control.v4.s_addr;
	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&target, sizeof(target)) < 0 &&
	    errno != EINPROGRESS)
		return -1;
	return take_fd(&fd);
}

static void begin_relay(struct keeper *keeper, const struct listener *listener, int near)
{
	int far = connect_far(keeper, listener);
	struct relay *relay;

	if (far < 0) {
		reset(near);
		return;
	}
	set_options(near);
	set_options(far);
	relay = xcalloc(1, sizeof(*relay));
	relay->class = &keeper->relays[listener->is_grant];
	relay->connect_by_ms = keeper->now_ms + KEEPER_CONNECT_MS;
	for (int i = NEAR; i <= FAR; i++) {
		relay->sides[i].relay = relay;
		relay->sides[i].source.fd = i == NEAR ? near : far;
		relay->sides[i].source.handle = handle_side;
	}
	relay->next = relay->class->first;
	if (relay->next)
		relay->next->before = relay;
	relay->class->first = relay;
	relay->class->count++;
	relay->class->connecting++;
	source_watch(keeper, &relay->sides[NEAR].source, 0);
	source_watch(keeper, &relay->sides[FAR].source, EPOLLOUT);
}

/* Looks at the listeners of a class, or does not. */
static void set_paused(struct keeper *keeper, struct relay_class *class, bool paused,
		       int64_t resume_ms)
{
	const bool is_grant = class == &keeper->relays[true];

	class->is_paused = paused;
	class->resume_ms = resume_ms;
	for (size_t i = 0; i < keeper->listener_count; i++) {
		struct listener *listener = &keeper->listeners[i];

		if (listener->protocol == IPPROTO_TCP && listener->is_grant == is_grant)
			source_watch(keeper, &listener->source, paused ? 0 : EPOLLIN);
	}
}

/* True for a connection that may be relayed: to a grant only the guest's. */
static bool is_wanted(const struct keeper *keeper, const struct listener *listener,
		      const struct sockaddr_storage *peer)
{
	const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)peer;

	return !listener->is_grant || (peer->ss_family == AF_INET &&
				       ipv4->sin_addr.s_addr == keeper->config->guest.v4.s_addr);
}

/* True when the host lacks what a connection needs: it stays in the queue, and epoll would insist.
 */
static bool is_exhausted(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

void tcp_accept(struct keeper *keeper, struct source *source, uint32_t events)
{
	struct listener *listener = (struct listener *)source;
	struct relay_class *class = &keeper->relays[listener->is_grant];

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct sockaddr_storage peer = {0};
		socklen_t length = sizeof(peer);
		int fd;

		if (class->count >= KEEPER_RELAYS_MAX) {
			set_paused(keeper, class, true, 0);
			return;
		}
		fd = accept4(source->fd, (struct sockaddr *)&peer, &length,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (is_exhausted(errno))
				set_paused(keeper, class, true, keeper->now_ms + RESUME_MS);
			return;
		}
		if (is_wanted(keeper, listener, &peer))
			begin_relay(keeper, listener, fd);
		else
			reset(fd);
	}
}

/* With time. */

static void end_unconnected(struct keeper *keeper, struct relay_class *class)
{
	for (struct relay *relay = class->first, *next; relay; relay = next) {
		next = relay->next;
		if (relay->connect_by_ms && relay->connect_by_ms <= keeper->now_ms)
			end_relay(keeper, relay, true);
	}
}

void tcp_tick(struct keeper *keeper)
{
	for (size_t i = 0; i < ARRAY_SIZE(keeper->relays); i++) {
		struct relay_class *class = &keeper->relays[i];

		end_unconnected(keeper, class);
		if (class->is_paused && class->resume_ms && class->resume_ms <= keeper->now_ms)
			set_paused(keeper, class, false, 0);
	}
}

bool tcp_needs_tick(const struct keeper *keeper)
{
	for (size_t i = 0; i < ARRAY_SIZE(keeper->relays); i++)
		if (keeper->relays[i].connecting ||
		    (keeper->relays[i].is_paused && keeper->relays[i].resume_ms))
			return true;
	return false;
}
