/*
 * What a logged packet is about: its IP header, the beginning of what it carries. The bytes are the
 * guest's and end wherever the rules cut them, so each step first asks whether they are there.
 */
#include "hook/event.h"

#include <string.h>

#define IPV4_HEADER	      20
#define IPV6_HEADER	      40
#define IPV4_FRAGMENT_OFFSET  0x1fff
#define IPV6_FRAGMENT_OFFSET  0xfff8
#define IPV6_EXTENSIONS_MAX   8 /* RFC 8200 §4.1 knows six */
#define UDP_HEADER	      8
#define TCP_HEADER	      20
#define DNS_PORT	      53
#define DNS_TCP_LENGTH_PREFIX 2 /* RFC 1035 §4.2.2 */

/* Bytes that are left to be read. */
struct view {
	const uint8_t *bytes;
	size_t length;
};

static uint16_t get16(const struct view *view, size_t at)
{
	return (uint16_t)(view->bytes[at] << 8 | view->bytes[at + 1]);
}

/* Drops @count bytes from the front. False when there are fewer. */
static bool skip(struct view *view, size_t count)
{
	if (count > view->length)
		return false;
	view->bytes += count;
	view->length -= count;
	return true;
}

/* What is behind the part that says it has @length bytes is not the packet's. */
static void cut(struct view *view, size_t length)
{
	if (length < view->length)
		view->length = length;
}

/* Reads the IPv4 header (RFC 791); *view is what it carries, empty in a later fragment. */
static bool parse_ipv4(struct view *view, struct event *event)
{
	size_t header;

	if (view->length < IPV4_HEADER)
		return false;
	header = (size_t)(view->bytes[0] & 0x0f) * 4;
	if (header < IPV4_HEADER)
		return false;
	event->protocol = view->bytes[9];
	event->destination.family = AF_INET;
	memcpy(&event->destination.v4, view->bytes + 16, sizeof(event->destination.v4));
	cut(view, get16(view, 2));
	if (get16(view, 6) & IPV4_FRAGMENT_OFFSET || !skip(view, header))
		view->length = 0;
	return true;
}

/*
 * Goes over one extension header (RFC 8200 §4). False when there is none, or it is not all there.
 */
static bool skip_extension(struct view *view, struct event *event)
{
	const uint8_t kind = event->protocol;
	const bool is_fragment = kind == IPPROTO_FRAGMENT;
	bool is_later;

	if (kind != IPPROTO_HOPOPTS && kind != IPPROTO_ROUTING && kind != IPPROTO_DSTOPTS &&
	    !is_fragment)
		return false;
	if (view->length < 8) {
		view->length = 0;
		return false;
	}
	is_later = is_fragment && get16(view, 2) & IPV6_FRAGMENT_OFFSET;
	event->protocol = view->bytes[0];
	if (!skip(view, is_fragment ? 8 : ((size_t)view->bytes[1] + 1) * 8) || is_later)
		view->length = 0;
	return view->length > 0;
}

/* Reads the IPv6 header (RFC 8200 §3) and those that follow it. */
static bool parse_ipv6(struct view *view, struct event *event)
{
	if (view->length < IPV6_HEADER)
		return false;
	event->protocol = view->bytes[6];
	event->destination.family = AF_INET6;
	memcpy(&event->destination.v6, view->bytes + 24, sizeof(event->destination.v6));
	cut(view, (size_t)get16(view, 4) + IPV6_HEADER);
	if (!skip(view, IPV6_HEADER))
		return false;
	for (int i = 0; i < IPV6_EXTENSIONS_MAX && skip_extension(view, event); i++)
		;
	return true;
}

/*
 * Leaves in *view what a TCP segment or UDP datagram carries. False when its header is cut off, or
 * says nonsense.
 */
static bool skip_transport(struct view *view, uint8_t protocol)
{
	size_t header;

	if (protocol == IPPROTO_UDP) {
		if (view->length < UDP_HEADER)
			return false;
		cut(view, get16(view, 4));
		return skip(view, UDP_HEADER);
	}
	if (view->length < TCP_HEADER)
		return false;
	header = (size_t)(view->bytes[12] >> 4) * 4;
	return header >= TCP_HEADER && skip(view, header);
}

/* False when a TCP segment holds no bytes at all: it asks nothing. */
static bool parse_question(struct view *view, struct event *event)
{
	if (!skip_transport(view, event->protocol))
		return true;
	if (event->protocol == IPPROTO_TCP) {
		if (!view->length)
			return false;
		if (!skip(view, DNS_TCP_LENGTH_PREFIX))
			return true;
	}
	/* Without a question the event says that something else was sent. */
	if (dns_parse_question(view->bytes, view->length, event->name, &event->type) < 0)
		event->name[0] = '\0';
	return true;
}

bool event_parse_packet(enum event_kind kind, const uint8_t *packet, size_t length,
			struct event *ret_event)
{
	struct view view = {packet, length};
	struct event event = {.kind = kind};
	bool is_ip = false;

	if (length && packet[0] >> 4 == 4)
		is_ip = parse_ipv4(&view, &event);
	else if (length && packet[0] >> 4 == 6)
		is_ip = parse_ipv6(&view, &event);
	if (!is_ip)
		return false;
	if ((event.protocol == IPPROTO_TCP || event.protocol == IPPROTO_UDP) && view.length >= 4) {
		event.port = get16(&view, 2);
		if (kind == EVENT_DNS && !parse_question(&view, &event))
			return false;
	}
	*ret_event = event;
	return true;
}
