/*
 * Inside the keeper: one thread, one epoll(7) set, and the parts that hang on it. Every part is
 * bounded: so many connections, so many sessions, so many bytes waiting, so many events written.
 */
#ifndef HOOK_KEEPER_PARTS_H
#define HOOK_KEEPER_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "hook/event.h"
#include "hook/keeper_config.h"
#include "hook/network_log.h"

#define KEEPER_RELAYS_MAX    512   /* TCP connections at once, of grants and of ports each */
#define KEEPER_SESSIONS_MAX  512   /* UDP: guest's ports at once */
#define KEEPER_SESSION_MS    60000 /* idle until a session is forgotten */
#define KEEPER_CONNECT_MS    10000
#define KEEPER_BUFFER	     65536
#define KEEPER_EVENTS_SECOND 100 /* written to the log, per second */
#define KEEPER_EVENTS_BURST  200
#define KEEPER_LISTENERS_MAX (POLICY_GRANT_MAX + POLICY_PORT_MAX)
#define KEEPER_FILES_MAX     4096 /* descriptors: more than all of the above need */
#define KEEPER_ADDRESS_SPACE ((uint64_t)512 << 20) /* bytes */

struct keeper;

/* What epoll wakes us for; the first member of what it belongs to. */
struct source {
	int fd; /* -1: none */
	void (*handle)(struct keeper *keeper, struct source *source, uint32_t events);
	uint32_t interest;
	bool is_registered;
};

/* A socket that waits for the guest (a grant) or for people on the host (a port). */
struct listener {
	struct source source;
	uint8_t protocol;
	bool is_grant;
	uint16_t target_port; /* of 127.0.0.1, or of the guest */
};

struct relay;
struct session;

/* Relays of one direction share a cap, so that the guest cannot take the host's away. */
struct relay_class {
	struct relay *first;
	size_t count;
	size_t connecting; /* of these, not yet through */
	bool is_paused;	   /* the listeners are not looked at: too many relays, or no descriptors */
	int64_t resume_ms; /* when to look again; 0: once a relay has ended */
};

struct event_log {
	int fds[NETWORK_LOG_FILES];
	int active;
	uint64_t tokens; /* events that may be written, in thousandths */
	int64_t filled_ms;
	uint64_t suppressed;
	int64_t reported_ms;
};

struct keeper {
	const struct keeper_config *config;
	int epoll;
	int64_t now_ms; /* CLOCK_MONOTONIC, of this turn */
	int64_t next_tick_ms;
	struct listener listeners[KEEPER_LISTENERS_MAX];
	size_t listener_count;
	struct relay_class relays[2];	 /* by is_grant */
	struct session *newest, *oldest; /* in the order in which they were last used */
	size_t session_count;
	struct relay *ended; /* to be freed when the turn is over */
	struct session *ended_sessions;
	struct source nflog;
	uint32_t nflog_sequence;
	bool nflog_has_sequence;
	struct event_log log;
	/* Of whoever handles an event; netlink messages are read in place. */
	char buffer[KEEPER_BUFFER] __attribute__((aligned(8)));
};

/* Sets what @source is waited for; 0: only that the peer is gone. */
void source_watch(struct keeper *keeper, struct source *source, uint32_t events);
/* Not at all, until source_watch(). */
void source_ignore(struct keeper *keeper, struct source *source);
void source_close(struct keeper *keeper, struct source *source);

/*
 * What an earlier keeper has open and this one needs as well: listening sockets and NFLOG's, taken
 * from its table of descriptors (keeper_estate.c). So nothing is closed and opened again, when
 * somebody else might come between, and the earlier one goes on until this one has everything.
 */
struct estate {
	int fds[KEEPER_LISTENERS_MAX + 1];
	size_t count;
};
#define ESTATE_INIT        \
	{                  \
		.count = 0 \
	}
/* @pidfd: the earlier one, or -1: there is nothing to inherit then, as when the kernel forbids it.
 */
void estate_collect(struct estate *estate, int pidfd);
/* The socket of that type (SOCK_…) at that address, or -1. It is the caller's then. */
int estate_take_socket(struct estate *estate, int type, const struct address *address,
		       uint16_t port);
int estate_take_nflog(struct estate *estate);
void estate_done(struct estate *estate);
#define _cleanup_estate_ _cleanup_(estate_done)

/*
 * Opening (keeper_open.c): what needs root, in the sandbox's namespace and in the file system; and
 * the ports of the host, which the owner may take or not.
 */
MUST_CHECK int keeper_open_inside(struct keeper *keeper, const char *name, struct estate *estate,
				  struct error *err);
MUST_CHECK int keeper_open_ports(struct keeper *keeper, struct estate *estate, struct error *err);

/* Becoming the owner, for good (keeper_rights.c). */
MUST_CHECK int keeper_find_group(uid_t owner, gid_t *ret_group, struct error *err);
MUST_CHECK int keeper_drop_rights(uid_t owner, gid_t group, struct error *err);
MUST_CHECK int keeper_restrict_calls(struct error *err);

/* TCP (keeper_tcp.c). */
/* Whether a socket has itself as its peer, as one to a free port of the own address can happen to.
 */
bool socket_is_to_itself(int fd);
void tcp_accept(struct keeper *keeper, struct source *source, uint32_t events);
/* Ends what does not get through, and looks at listeners again. */
void tcp_tick(struct keeper *keeper);
/* Frees what ended in this turn. */
void tcp_sweep(struct keeper *keeper);
/* True while something waits for time to pass. */
bool tcp_needs_tick(const struct keeper *keeper);

/* UDP (keeper_udp.c). */
void udp_receive(struct keeper *keeper, struct source *source, uint32_t events);
void udp_tick(struct keeper *keeper);
void udp_sweep(struct keeper *keeper);

/* Log (keeper_nflog.c, keeper_log.c). */
MUST_CHECK int nflog_open(int *ret_fd, struct error *err);
void nflog_receive(struct keeper *keeper, struct source *source, uint32_t events);
void log_begin(struct event_log *log, int64_t now_ms);
void log_write(struct event_log *log, struct event *event, int64_t now_ms);
void log_lost(struct event_log *log, uint64_t count);
void log_tick(struct event_log *log, int64_t now_ms);

#endif
