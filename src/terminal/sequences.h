/*
 * The table of what a guest may tell a terminal; private to the room, but for its text in
 * docs/terminal.md.
 */
#ifndef TERMINAL_SEQUENCES_H
#define TERMINAL_SEQUENCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

enum sequence_kind {
	SEQUENCE_CONTROL, /* one byte below 0x20, or DEL */
	SEQUENCE_ESCAPE,  /* ESC, intermediates, a final byte (ECMA-35) */
	SEQUENCE_CSI,	  /* ESC [, parameters, intermediates, a final byte (ECMA-48 §5.4) */
	SEQUENCE_MODE, /* a number of CSI ? … h and CSI ? … l, or of CSI … h and CSI … l */
	SEQUENCE_OSC,  /* ESC ], a number, a text, BEL or ESC \ */
	SEQUENCE_STRING, /* ESC and a byte that begins a string of another kind */
};

enum verdict {
	SEQUENCE_PASSES,
	SEQUENCE_DROPPED,
	SEQUENCE_REPLACED, /* by what .replacement says */
};

/*
 * Kinds use what they need: of a control or an OSC it is the number, of a mode number and prefix,
 * of the others prefix (private parameter byte), intermediate, and any of the finals. What no entry
 * describes is dropped.
 */
struct sequence {
	enum sequence_kind kind;
	enum verdict verdict;
	const char *shown; /* in the documentation */
	const char *why;
	char prefix, intermediate;
	const char *finals;
	uint16_t number;
	/* CSI: how many parameters, the range of the first, the most of the others; 0 max: any. */
	uint8_t least, most;
	uint32_t first_low, first_high, rest_high;
	const char *only;    /* OSC: the one text that it may have, or NULL */
	bool asks;	     /* the terminal types an answer, or reports */
	bool has_parts;	     /* parameters may have parts, with colons (ISO 8613-6) */
	const char *prepare; /* what goes before the first, or NULL */
	const char *undo;    /* what takes its effect back when the guest is left, or NULL */
	const char *replacement;
};

#define SEQUENCES_MAX 128
extern const struct sequence sequences[];
extern const size_t sequence_count;

/* The index of the entry for a control or an OSC, a mode, an escape or CSI; or -1. */
int sequence_find_number(enum sequence_kind kind, uint32_t number);
int sequence_find_mode(char prefix, uint32_t number);
int sequence_find_final(enum sequence_kind kind, char prefix, char intermediate, char final);

/* The table in Markdown, as docs/terminal.md has it. */
void sequences_document(struct strbuf *out);

#endif
