/*
 * What a guest says while it boots: its serial console, of which the last part is kept, and the
 * READY line on its channel. Both are hostile input: bounded, and trusted for nothing.
 */
#ifndef DOMAIN_STREAMS_H
#define DOMAIN_STREAMS_H

#include <libvirt/libvirt.h>
#include <stdbool.h>

#include "base/error.h"

/* The last bytes of an endless text. */
#define TAIL_SIZE 8192
struct tail {
	char bytes[TAIL_SIZE];
	size_t length;
};
void tail_add(struct tail *tail, const char *bytes, size_t length);

/*
 * The last @lines lines without terminal sequences (ESC [ … letter) and carriage returns; other
 * control bytes stay, for whoever prints it escapes. The caller frees.
 */
char *tail_lines(const struct tail *tail, size_t lines);

/* The bytes without these, as tail_lines() shows them. The caller frees. */
char *console_plain(const char *bytes, size_t length);

/* Looks for READY_LINE in what comes. */
#define READY_LIMIT 65536
struct ready {
	char window[64];
	size_t length; /* bytes in the window */
	size_t total;  /* bytes seen; beyond READY_LIMIT nothing is looked at any more */
	bool seen;
};
void ready_add(struct ready *ready, const char *bytes, size_t length);

/* A stream of a running domain whose bytes go to @add when events are handled. */
struct reader {
	virStreamPtr stream; /* NULL: not open */
	bool has_ended;
	void (*add)(void *sink, const char *bytes, size_t length);
	void *sink;
};

/*
 * Opens the console (@channel NULL) or the channel @channel; a paused domain is fine. The reader
 * must not move in memory. EX_UNAVAILABLE.
 */
MUST_CHECK int reader_open(struct reader *reader, virDomainPtr domain, const char *channel,
			   struct error *err);
void reader_close(struct reader *reader);
#define _cleanup_reader_ _cleanup_(reader_close)

/* For struct reader: */
void reader_to_tail(void *tail, const char *bytes, size_t length);
void reader_to_ready(void *ready, const char *bytes, size_t length);

#endif
