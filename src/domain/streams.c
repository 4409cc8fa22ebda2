/*
 * The guest's console and channel as libvirt streams, since the files behind them belong to root.
 */
#include "domain/streams.h"

#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"
#include "domain/libvirt.h"
#include "seed/seed.h"

#define CHUNK	      4096
#define CHUNKS_A_TURN 16 /* then others get their turn, however fast the guest writes */

void tail_add(struct tail *tail, const char *bytes, size_t length)
{
	size_t keep;

	if (length > TAIL_SIZE) {
		bytes += length - TAIL_SIZE;
		length = TAIL_SIZE;
	}
	keep = tail->length < TAIL_SIZE - length ? tail->length : TAIL_SIZE - length;
	memmove(tail->bytes, tail->bytes + tail->length - keep, keep);
	memcpy(tail->bytes + keep, bytes, length);
	tail->length = keep + length;
}

/* Length of a terminal sequence at @text (ECMA-48 §5.4: ESC [, parameters, one final), or 0. */
static size_t sequence_length(const char *text, size_t length)
{
	size_t at = 2;

	if (length < 3 || text[0] != '\x1b' || text[1] != '[')
		return 0;
	while (at < length && text[at] >= ' ' && text[at] <= '?')
		at++;
	return at < length && text[at] >= '@' && text[at] <= '~' ? at + 1 : 0;
}

char *console_plain(const char *text, size_t length)
{
	_cleanup_strbuf_ struct strbuf plain = STRBUF_INIT;

	for (size_t at = 0; at < length;) {
		size_t skip = sequence_length(text + at, length - at);

		if (skip) {
			at += skip;
			continue;
		}
		if (text[at] != '\r' && text[at] != '\0')
			strbuf_add_char(&plain, text[at]);
		at++;
	}
	return strbuf_take(&plain);
}

char *tail_lines(const struct tail *tail, size_t lines)
{
	_cleanup_free_ char *plain = console_plain(tail->bytes, tail->length);
	size_t at = strlen(plain);

	while (at && plain[at - 1] == '\n')
		plain[--at] = '\0';
	while (at && !(plain[at - 1] == '\n' && --lines == 0))
		at--;
	return text_dup(plain + at);
}

void ready_add(struct ready *ready, const char *bytes, size_t length)
{
	static const char line[] = READY_LINE;

	for (size_t i = 0; i < length && !ready->seen && ready->total < READY_LIMIT; i++) {
		ready->total++;
		if (ready->length < sizeof(ready->window))
			ready->window[ready->length++] = bytes[i];
		if (bytes[i] != '\n')
			continue;
		ready->seen = ready->length == sizeof(line) - 1 &&
			      memcmp(ready->window, line, sizeof(line) - 1) == 0;
		ready->length = 0;
	}
}

void reader_to_tail(void *tail, const char *bytes, size_t length)
{
	tail_add(tail, bytes, length);
}

void reader_to_ready(void *ready, const char *bytes, size_t length)
{
	ready_add(ready, bytes, length);
}

static void on_stream(virStreamPtr stream, int events, void *data)
{
	struct reader *reader = data;
	char chunk[CHUNK];

	for (int turn = 0; turn < CHUNKS_A_TURN && (events & VIR_STREAM_EVENT_READABLE); turn++) {
		int got = virStreamRecv(stream, chunk, sizeof(chunk));

		if (got == -2) /* nothing more for now */
			return;
		if (got <= 0) {
			events = VIR_STREAM_EVENT_HANGUP;
			break;
		}
		reader->add(reader->sink, chunk, (size_t)got);
	}
	if (events & (VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP)) {
		virStreamEventRemoveCallback(stream);
		reader->has_ended = true;
	}
}

static int open_stream(virStreamPtr stream, virDomainPtr domain, const char *channel)
{
	if (channel)
		return virDomainOpenChannel(domain, channel, stream, 0);
	return virDomainOpenConsole(domain, NULL, stream, VIR_DOMAIN_CONSOLE_FORCE);
}

int reader_open(struct reader *reader, virDomainPtr domain, const char *channel, struct error *err)
{
	reader->stream = virStreamNew(virDomainGetConnect(domain), VIR_STREAM_NONBLOCK);
	if (!reader->stream || open_stream(reader->stream, domain, channel) < 0 ||
	    virStreamEventAddCallback(reader->stream,
				      VIR_STREAM_EVENT_READABLE | VIR_STREAM_EVENT_HANGUP |
					      VIR_STREAM_EVENT_ERROR,
				      on_stream, reader, NULL) < 0) {
		libvirt_error(err, EX_UNAVAILABLE,
			      channel ? "cannot open the guest's channel"
				      : "cannot open the guest's console");
		reader_close(reader);
		return -1;
	}
	return 0;
}

void reader_close(struct reader *reader)
{
	if (!reader->stream)
		return;
	virStreamEventRemoveCallback(reader->stream);
	virStreamAbort(reader->stream);
	virStreamFree(reader->stream);
	reader->stream = NULL;
}
