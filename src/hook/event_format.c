/*
 * The two forms of an event: a line of JSON in the log, which programs read as well, and a line for
 * people. The first is read back strictly: the file is its owner's, who may have put anything in.
 */
#include "hook/event.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* The order of enum event_kind. */
static const char *const kinds[] = {"allowed", "denied", "limited", "dns", "suppressed"};
_Static_assert(ARRAY_SIZE(kinds) == EVENT_KIND_COUNT, "every kind has a name");

bool event_kind_parse(const char *prefix, enum event_kind *ret_kind)
{
	for (size_t i = 0; i < EVENT_SUPPRESSED; i++)
		if (text_equal(prefix, kinds[i])) {
			*ret_kind = (enum event_kind)i;
			return true;
		}
	return false;
}

#define PROTOCOL_TEXT_MAX 8
static const struct {
	uint8_t number;
	const char *name;
} protocols[] = {
	{IPPROTO_TCP, "tcp"},	    {IPPROTO_UDP, "udp"},   {IPPROTO_ICMP, "icmp"},
	{IPPROTO_ICMPV6, "icmpv6"}, {IPPROTO_SCTP, "sctp"}, {IPPROTO_GRE, "gre"},
	{IPPROTO_ESP, "esp"},	    {IPPROTO_IGMP, "igmp"},
};

static const char *protocol_format(uint8_t number, char text[PROTOCOL_TEXT_MAX])
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (protocols[i].number == number)
			return protocols[i].name;
	snprintf(text, PROTOCOL_TEXT_MAX, "%u", number);
	return text;
}

static int protocol_parse(const char *text, uint8_t *ret_number)
{
	uint64_t number;

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (text_equal(protocols[i].name, text)) {
			*ret_number = protocols[i].number;
			return 0;
		}
	if (parse_number(text, 0, UINT8_MAX, &number) < 0)
		return -1;
	*ret_number = (uint8_t)number;
	return 0;
}

void event_set_time(struct event *event, int64_t milliseconds)
{
	const time_t seconds = (time_t)(milliseconds / 1000);
	struct tm utc = {0};

	if (!gmtime_r(&seconds, &utc))
		abort(); /* not before the year 2147485547 */
	/* Not strftime(3), which would look for the host's time zone each time. */
	snprintf(event->time, sizeof(event->time), "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
		 (unsigned int)(utc.tm_year + 1900) % 10000, (unsigned int)(utc.tm_mon + 1) % 100,
		 (unsigned int)utc.tm_mday % 100, (unsigned int)utc.tm_hour % 100,
		 (unsigned int)utc.tm_min % 100, (unsigned int)utc.tm_sec % 100,
		 (unsigned int)(milliseconds % 1000));
}

static bool is_time(const char *text)
{
	static const char shape[] = "0000-00-00T00:00:00.000Z";

	if (strlen(text) != strlen(shape))
		return false;
	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
			return false;
	return true;
}

/* The JSON form. */

static void add_text(json_object *root, const char *key, const char *value)
{
	json_object_object_add(root, key, json_object_new_string(value));
}

void event_format_json(const struct event *event, struct strbuf *output)
{
	json_object *root = json_object_new_object();
	char address[ADDRESS_TEXT_MAX], protocol[PROTOCOL_TEXT_MAX], type[DNS_TYPE_TEXT_MAX];

	add_text(root, "time", event->time);
	add_text(root, "event", kinds[event->kind]);
	if (event->kind == EVENT_SUPPRESSED) {
		json_object_object_add(root, "count", json_object_new_uint64(event->count));
	} else {
		add_text(root, "protocol", protocol_format(event->protocol, protocol));
		add_text(root, "destination", address_format(&event->destination, address));
		if (event->port)
			json_object_object_add(root, "port", json_object_new_int(event->port));
	}
	if (event->kind == EVENT_DNS && *event->name) {
		add_text(root, "name", event->name);
		add_text(root, "type", dns_type_format(event->type, type));
	}
	strbuf_addf(output, "%s\n",
		    json_object_to_json_string_ext(root, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
}

/* The string @key, borrowed from @root; NULL when it is absent or of another type. */
static const char *get_text(json_object *root, const char *key)
{
	json_object *member;

	if (!json_object_object_get_ex(root, key, &member) ||
	    !json_object_is_type(member, json_type_string) ||
	    strlen(json_object_get_string(member)) != (size_t)json_object_get_string_len(member))
		return NULL;
	return json_object_get_string(member);
}

static bool get_number(json_object *root, const char *key, uint64_t max, uint64_t *ret_number)
{
	json_object *member;
	int64_t number;

	if (!json_object_object_get_ex(root, key, &member) ||
	    !json_object_is_type(member, json_type_int))
		return false;
	number = json_object_get_int64(member);
	if (number < 0 || (uint64_t)number > max)
		return false;
	*ret_number = (uint64_t)number;
	return true;
}

static int read_kind(json_object *root, struct event *event)
{
	const char *text = get_text(root, "event");

	for (size_t i = 0; i < EVENT_KIND_COUNT; i++)
		if (text_equal(text, kinds[i])) {
			event->kind = (enum event_kind)i;
			return 0;
		}
	return -1;
}

static int read_packet(json_object *root, struct event *event)
{
	const char *protocol = get_text(root, "protocol");
	const char *destination = get_text(root, "destination");
	uint64_t port;

	if (!protocol || protocol_parse(protocol, &event->protocol) < 0 || !destination ||
	    parse_address(destination, &event->destination) < 0)
		return -1;
	if (!json_object_object_get_ex(root, "port", NULL))
		return 0;
	if (!get_number(root, "port", UINT16_MAX, &port))
		return -1;
	event->port = (uint16_t)port;
	return 0;
}

static int read_question(json_object *root, struct event *event)
{
	const char *name = get_text(root, "name");
	const char *type = get_text(root, "type");

	if (!json_object_object_get_ex(root, "name", NULL))
		return 0;
	if (!name || !*name || strlen(name) >= sizeof(event->name) || !type)
		return -1;
	snprintf(event->name, sizeof(event->name), "%s", name);
	return dns_type_parse(type, &event->type);
}

static int read_event(json_object *root, struct event *event)
{
	const char *time = get_text(root, "time");

	if (!time || !is_time(time) || read_kind(root, event) < 0)
		return -1;
	snprintf(event->time, sizeof(event->time), "%s", time);
	if (event->kind == EVENT_SUPPRESSED)
		return get_number(root, "count", INT64_MAX, &event->count) ? 0 : -1;
	if (read_packet(root, event) < 0)
		return -1;
	return event->kind == EVENT_DNS ? read_question(root, event) : 0;
}

int event_parse_json(const char *line, struct event *ret_event)
{
	json_tokener *tokener = json_tokener_new_ex(2); /* levels: an object of values */
	json_object *root = tokener ? json_tokener_parse_ex(tokener, line, -1) : NULL;
	struct event event = {0};
	int result = -1;

	if (json_object_is_type(root, json_type_object) &&
	    json_tokener_get_parse_end(tokener) == strlen(line))
		result = read_event(root, &event);
	json_object_put(root);
	if (tokener)
		json_tokener_free(tokener);
	if (result < 0)
		return -1;
	*ret_event = event;
	return 0;
}

/* The form for people. */

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text <= 0x20 || *text >= 0x7f)
			return false;
	return true;
}

/* What the keeper wrote is plain, and its backslashes are the escapes; all else gets escaped. */
static void add_name(const char *name, struct strbuf *output)
{
	_cleanup_free_ char *safe = NULL;

	if (!is_plain(name))
		safe = text_escape(name, strlen(name), false);
	strbuf_add_text(output, safe ? safe : name);
}

static void add_destination(const struct event *event, struct strbuf *output)
{
	char address[ADDRESS_TEXT_MAX];

	address_format(&event->destination, address);
	if (!event->port)
		strbuf_add_text(output, address);
	else if (event->destination.family == AF_INET6)
		strbuf_addf(output, "[%s]:%u", address, event->port);
	else
		strbuf_addf(output, "%s:%u", address, event->port);
}

void event_format_text(const struct event *event, struct strbuf *output)
{
	char protocol[PROTOCOL_TEXT_MAX], type[DNS_TYPE_TEXT_MAX];

	strbuf_addf(output, "%.19sZ  %-10s  ", event->time, kinds[event->kind]);
	if (event->kind == EVENT_SUPPRESSED) {
		strbuf_addf(output, "%llu more events", (unsigned long long)event->count);
	} else if (event->kind == EVENT_DNS && *event->name) {
		strbuf_addf(output, "%-6s  ", dns_type_format(event->type, type));
		add_name(event->name, output);
	} else {
		strbuf_addf(output, "%-6s  ", protocol_format(event->protocol, protocol));
		add_destination(event, output);
		if (event->kind == EVENT_DNS)
			strbuf_add_text(output, "  (no question)");
	}
	strbuf_add_char(output, '\n');
}
