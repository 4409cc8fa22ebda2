/*
 * The events of a sandbox's network log: what a packet of the guest says of itself, and the two
 * forms in which an event is written. Pure.
 *
 * The keeper writes events into the log as JSON, one object per line; `migrant logs --network`
 * reads them there. Everything in a packet was chosen by the guest, and the log's file belongs to
 * the user: both readers take nothing on trust.
 */
#ifndef HOOK_EVENT_H
#define HOOK_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/parse.h"
#include "base/strbuf.h"

/* The kinds of which the rules log packets are the prefixes of their `log` statements. */
enum event_kind {
	EVENT_ALLOWED,	  /* the first packet of a flow that may go */
	EVENT_DENIED,	  /* a packet that may not */
	EVENT_LIMITED,	  /* a packet beyond one of `network.limits` */
	EVENT_DNS,	  /* a question */
	EVENT_SUPPRESSED, /* so many events were not written, or were lost on the way */
	EVENT_KIND_COUNT,
};

#define EVENT_TIME_MAX 25   /* "2026-11-22T11:02:03.456Z" */
#define EVENT_NAME_MAX 1024 /* RFC 1035 §2.3.4: 255 bytes, of which each is at most "\DDD" */
#define EVENT_LINE_MAX 2048 /* bytes of a line of the log, with its newline */

struct event {
	enum event_kind kind;
	char time[EVENT_TIME_MAX]; /* RFC 3339, UTC */
	uint8_t protocol;	   /* IPPROTO_… */
	struct address destination;
	uint16_t port; /* of the destination; 0: the protocol has none, or it was cut off */
	char name[EVENT_NAME_MAX]; /* EVENT_DNS: printable ASCII; "": no question can be read */
	uint16_t type;		   /* EVENT_DNS: of the question */
	uint64_t count;		   /* EVENT_SUPPRESSED */
};

/* The kind that a rule's prefix names. False when it is none of ours. */
bool event_kind_parse(const char *prefix, enum event_kind *ret_kind);

/*
 * What a packet, which begins with its IP header and may be cut off anywhere, is about. False when
 * there is nothing to tell: it is no IP packet, or belongs to a TCP connection to a resolver and
 * asks nothing.
 */
MUST_CHECK bool event_parse_packet(enum event_kind kind, const uint8_t *packet, size_t length,
				   struct event *ret_event);

/* Sets the time, given in milliseconds since 1970. */
void event_set_time(struct event *event, int64_t milliseconds);

/* One line of JSON, with its newline. */
void event_format_json(const struct event *event, struct strbuf *output);

/* Reads such a line, without its newline. -1 when it is anything else. */
MUST_CHECK int event_parse_json(const char *line, struct event *ret_event);

/* One line for people, with its newline; fit for a terminal whatever the event holds. */
void event_format_text(const struct event *event, struct strbuf *output);

/* DNS (event_dns.c). */

/*
 * Reads the first question of a message (RFC 1035 §4.1) into @name and @type. -1, and nothing set,
 * when there is none or it is not whole.
 */
MUST_CHECK int dns_parse_question(const uint8_t *message, size_t length, char name[EVENT_NAME_MAX],
				  uint16_t *ret_type);

/* "A", "AAAA", …, or "TYPE65280" (RFC 3597 §5). */
#define DNS_TYPE_TEXT_MAX 16
const char *dns_type_format(uint16_t type, char text[DNS_TYPE_TEXT_MAX]);
MUST_CHECK int dns_type_parse(const char *text, uint16_t *ret_type);

#endif
