/*
 * What the keeper makes of a packet, and `migrant logs` of a line. The first byte says which; a
 * packet's event must come back from its JSON as it was, and both forms must be one line of plain
 * characters.
 */
#include <stdlib.h>

#include "base/text.h"
#include "hook/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const struct strbuf *line, bool is_json)
{
	/* A name of the file may be escaped once more for the terminal: four characters a byte. */
	const size_t max = is_json ? EVENT_LINE_MAX : EVENT_LINE_MAX + 4 * EVENT_NAME_MAX;

	if (!line->length || line->length > max || line->text[line->length - 1] != '\n')
		abort();
	for (size_t i = 0; i + 1 < line->length; i++)
		if ((unsigned char)line->text[i] < 0x20 ||
		    (is_json && (unsigned char)line->text[i] > 0x7e))
			abort();
}

static bool is_same(const struct event *a, const struct event *b)
{
	return a->kind == b->kind && text_equal(a->time, b->time) && a->protocol == b->protocol &&
	       address_equal(&a->destination, &b->destination) && a->port == b->port &&
	       text_equal(a->name, b->name) && a->type == b->type && a->count == b->count;
}

static void check_text(const struct event *event)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

	event_format_text(event, &line);
	check_line(&line, false);
}

static void packet(enum event_kind kind, const uint8_t *data, size_t size)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	struct event event, again;

	if (!event_parse_packet(kind, data, size, &event))
		return;
	event_set_time(&event, 1795345323456);
	event_format_json(&event, &line);
	check_line(&line, true);
	line.text[line.length - 1] = '\0';
	if (event_parse_json(line.text, &again) < 0 || !is_same(&event, &again))
		abort();
	check_text(&event);
}

static void question(const uint8_t *data, size_t size)
{
	char name[EVENT_NAME_MAX] = "";
	uint16_t type;

	if (dns_parse_question(data, size, name, &type) == 0 &&
	    (!*name || strlen(name) >= sizeof(name)))
		abort();
}

static void line(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = text_dup_n((const char *)data, size);
	struct event event;

	if (event_parse_json(text, &event) == 0)
		check_text(&event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	switch (data[0]) {
	case '{':
		line(data, size);
		break;
	case 'q':
		question(data + 1, size - 1);
		break;
	default:
		packet((enum event_kind)(data[0] % EVENT_SUPPRESSED), data + 1, size - 1);
	}
	return 0;
}
