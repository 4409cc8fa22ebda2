/*
 * Relaying UDP to services of the host. Each port of the guest that sends to a grant gets a socket
 * of its own towards the service, so that the answers find their way back; they leave from the
 * socket that the guest sent to, and so from the gateway's address and port.
 *
 * Sessions end by themselves when they are idle. A guest that uses up all of them takes the place
 * of the one that was idle longest, if that was for a second; else the datagram is dropped.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/text.h"
#include "hook/keeper_parts.h"

#define DATAGRAMS_PER_TURN 64
#define REPLACE_MS	   1000

struct session {
	struct source source; /* connected to the service */
	struct listener *listener;
	struct sockaddr_in guest;
	int64_t used_ms;
	struct session *newer, *older;
	bool is_ended;
};

static void unlink_session(struct keeper *keeper, struct session *session)
{
	if (session->newer)
		session->newer->older = session->older;
	else
		keeper->newest = session->older;
	if (session->older)
		session->older->newer = session->newer;
	else
		keeper->oldest = session->newer;
	session->newer = session->older = NULL;
}

static void link_newest(struct keeper *keeper, struct session *session)
{
	session->older = keeper->newest;
	if (keeper->newest)
		keeper->newest->newer = session;
	else
		keeper->oldest = session;
	keeper->newest = session;
}

/* Freed when the turn is over: epoll may have told of it already. */
static void end_session(struct keeper *keeper, struct session *session)
{
	if (session->is_ended)
		return;
	session->is_ended = true;
	unlink_session(keeper, session);
	source_close(keeper, &session->source);
	keeper->session_count--;
	session->older = keeper->ended_sessions;
	keeper->ended_sessions = session;
}

void udp_sweep(struct keeper *keeper)
{
	while (keeper->ended_sessions) {
		struct session *session = keeper->ended_sessions;

		keeper->ended_sessions = session->older;
		free(session);
	}
}

static struct session *find_session(const struct keeper *keeper, const struct listener *listener,
				    const struct sockaddr_in *guest)
{
	struct session *session = keeper->newest;

	while (session &&
	       (session->listener != listener || session->guest.sin_port != guest->sin_port))
		session = session->older;
	return session;
}

/* What the service answers goes to the guest. */
static void handle_answer(struct keeper *keeper, struct source *source, uint32_t events)
{
	struct session *session = (struct session *)source;

	(void)events;
	if (session->is_ended)
		return;
	for (int i = 0; i < DATAGRAMS_PER_TURN; i++) {
		ssize_t got = recv(source->fd, keeper->buffer, sizeof(keeper->buffer), 0);

		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (got < 0) { /* nobody listens there */
			end_session(keeper, session);
			return;
		}
		session->used_ms = keeper->now_ms;
		(void)!sendto(session->listener->source.fd, keeper->buffer, (size_t)got,
			      MSG_NOSIGNAL, (const struct sockaddr *)&session->guest,
			      sizeof(session->guest));
	}
}

static int connect_service(const struct listener *listener)
{
	struct sockaddr_in target = {.sin_family = AF_INET,
				     .sin_port = htons(listener->target_port)};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&target, sizeof(target)) < 0)
		return -1;
	/* It would also sit on the port that the service is to have. */
	if (socket_is_to_itself(fd))
		return -1;
	return take_fd(&fd);
}

static struct session *begin_session(struct keeper *keeper, struct listener *listener,
				     const struct sockaddr_in *guest)
{
	struct session *session;
	int fd;

	if (keeper->session_count >= KEEPER_SESSIONS_MAX) {
		if (keeper->now_ms - keeper->oldest->used_ms < REPLACE_MS)
			return NULL;
		end_session(keeper, keeper->oldest);
	}
	fd = connect_service(listener);
	if (fd < 0)
		return NULL;
	session = xcalloc(1, sizeof(*session));
	session->source.fd = fd;
	session->source.handle = handle_answer;
	session->listener = listener;
	session->guest = *guest;
	keeper->session_count++;
	link_newest(keeper, session);
	source_watch(keeper, &session->source, EPOLLIN);
	return session;
}

static void pass_on(struct keeper *keeper, struct listener *listener,
		    const struct sockaddr_in *guest, size_t length)
{
	struct session *session = find_session(keeper, listener, guest);

	if (!session)
		session = begin_session(keeper, listener, guest);
	if (!session)
		return;
	session->used_ms = keeper->now_ms;
	if (session != keeper->newest) {
		unlink_session(keeper, session);
		link_newest(keeper, session);
	}
	/* A full queue drops, as on any way of a datagram. A refusal of an earlier one is told here
	   instead of for this one, so this one is sent once more. */
	if (send(session->source.fd, keeper->buffer, length, MSG_NOSIGNAL) < 0 &&
	    errno == ECONNREFUSED)
		(void)!send(session->source.fd, keeper->buffer, length, MSG_NOSIGNAL);
}

void udp_receive(struct keeper *keeper, struct source *source, uint32_t events)
{
	(void)events;
	for (int i = 0; i < DATAGRAMS_PER_TURN; i++) {
		struct sockaddr_in guest = {0};
		socklen_t size = sizeof(guest);
		ssize_t got = recvfrom(source->fd, keeper->buffer, sizeof(keeper->buffer), 0,
				       (struct sockaddr *)&guest, &size);

		if (got < 0)
			return;
		if (guest.sin_family == AF_INET &&
		    guest.sin_addr.s_addr == keeper->config->guest.v4.s_addr)
			pass_on(keeper, (struct listener *)source, &guest, (size_t)got);
	}
}

void udp_tick(struct keeper *keeper)
{
	while (keeper->oldest && keeper->now_ms - keeper->oldest->used_ms >= KEEPER_SESSION_MS)
		end_session(keeper, keeper->oldest);
}
