/*
 * A guest is assumed to want the terminal of whoever looks at it: its clipboard, its title, its
 * answers typed into a shell. Terminals differ in how they read what is malformed, so nothing
 * depends on reading it as they do: a sequence is held back until it is complete, and only what is
 * in the table (sequences.c) goes on, whole. The terminal is therefore always
 * between two sequences when the next byte comes, and what is dropped is not even begun.
 *
 * A control in the middle of a sequence is executed at once, as by terminals (VT510 manual, §4.3),
 * and bytes that are not UTF-8, or are controls in UTF-8 (U+0080 to U+009F), become U+FFFD.
 */
#include "terminal/filter.h"

#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "terminal/csi.h"
#include "terminal/sequences.h"

#define ESC	       0x1b
#define CAN	       0x18
#define SUB	       0x1a
#define DEL	       0x7f
#define C1_CSI	       0x9b
#define TITLE_MAX      400
#define PALETTE_DIGITS 7 /* of Linux's ESC ] P, which nothing ends */

enum state {
	STATE_GROUND,
	STATE_CHARACTER, /* in a character of several bytes */
	STATE_ESCAPE,
	STATE_CSI,
	STATE_OSC,
	STATE_OSC_END, /* ESC in an OSC: '\' ends it */
	STATE_STRING,
	STATE_PALETTE,
};

void filter_init(struct filter *filter, bool is_ascii)
{
	*filter = (struct filter){.is_ascii = is_ascii};
}

static void enter(struct filter *filter, enum state state)
{
	filter->state = state;
	filter->length = 0;
	filter->is_too_long = false;
}

static void append(struct filter *filter, unsigned char byte)
{
	if (filter->length < sizeof(filter->pending))
		filter->pending[filter->length++] = (char)byte;
	else
		filter->is_too_long = true;
}

static void drop(struct filter *filter)
{
	filter->dropped++;
	enter(filter, STATE_GROUND);
}

/* An entry is about to pass. What it leaves behind is undone at the end. */
static void note_use(struct filter *filter, int entry, struct strbuf *out)
{
	const uint64_t bit = UINT64_C(1) << (entry % 64);
	uint64_t *used = &filter->used[entry / 64];

	if (sequences[entry].prepare && !(*used & bit))
		strbuf_add_text(out, sequences[entry].prepare);
	if (sequences[entry].undo)
		*used |= bit;
	filter->has_asked |= sequences[entry].asks;
}

/* Whether an entry that was found, or -1, lets pass what it is of. */
static bool may_pass(const struct filter *filter, int entry)
{
	return entry >= 0 && sequences[entry].verdict == SEQUENCE_PASSES &&
	       !(filter->drops_questions && sequences[entry].asks);
}

static void replace_character(struct filter *filter, struct strbuf *out)
{
	strbuf_add_text(out, filter->is_ascii ? "?" : "\xef\xbf\xbd");
	drop(filter);
}

static void control(struct filter *filter, unsigned char byte, struct strbuf *out)
{
	int entry = sequence_find_number(SEQUENCE_CONTROL, byte);

	if (entry < 0 || sequences[entry].verdict != SEQUENCE_PASSES) {
		filter->dropped++;
		return;
	}
	note_use(filter, entry, out);
	strbuf_add_char(out, (char)byte);
}

/* How many bytes the character has that begins with @byte; 0: none begins so (RFC 3629 §4). */
static size_t character_length(unsigned char byte)
{
	if (byte >= 0xc2 && byte <= 0xdf)
		return 2;
	if (byte >= 0xe0 && byte <= 0xef)
		return 3;
	return byte >= 0xf0 && byte <= 0xf4 ? 4 : 0;
}

static void end_character(struct filter *filter, struct strbuf *out)
{
	const unsigned char *bytes = (const unsigned char *)filter->pending;
	bool is_control = bytes[0] == 0xc2 && bytes[1] < 0xa0;

	if (is_control || filter->is_ascii || !text_is_utf8(filter->pending, filter->length)) {
		replace_character(filter, out);
		return;
	}
	strbuf_add(out, filter->pending, filter->length);
	enter(filter, STATE_GROUND);
}

static void take_ground(struct filter *filter, unsigned char byte, struct strbuf *out)
{
	if (byte == ESC) {
		enter(filter, STATE_ESCAPE);
	} else if (byte < 0x20 || byte == DEL) {
		control(filter, byte, out);
	} else if (byte < 0x80) {
		strbuf_add_char(out, (char)byte);
	} else if (character_length(byte)) {
		enter(filter, STATE_CHARACTER);
		append(filter, byte);
	} else {
		replace_character(filter, out);
	}
}

static void take_character(struct filter *filter, unsigned char byte, struct strbuf *out)
{
	if ((byte & 0xc0) != 0x80) {
		replace_character(filter, out);
		take_ground(filter, byte, out);
		return;
	}
	append(filter, byte);
	if (filter->length == character_length((unsigned char)filter->pending[0]))
		end_character(filter, out);
}

/*
 * What may come inside of an escape or CSI sequence and is not of it. Returns true when it was
 * dealt with.
 */
static bool take_inner(struct filter *filter, unsigned char byte, struct strbuf *out)
{
	if (byte == ESC) {
		drop(filter);
		enter(filter, STATE_ESCAPE);
	} else if (byte == CAN || byte == SUB) {
		drop(filter);
	} else if (byte < 0x20) {
		control(filter, byte, out);
	} else if (byte >= 0x80) {
		drop(filter);
		take_ground(filter, byte, out);
	} else if (byte == DEL) {
		filter->dropped++;
	} else {
		return false;
	}
	return true;
}

static void end_escape(struct filter *filter, unsigned char final, struct strbuf *out)
{
	char between = filter->length ? filter->pending[0] : '\0';
	int entry = filter->length < 2
			    ? sequence_find_final(SEQUENCE_ESCAPE, 0, between, (char) final)
			    : -1;

	if (entry < 0 || sequences[entry].verdict == SEQUENCE_DROPPED) {
		drop(filter);
		return;
	}
	note_use(filter, entry, out);
	if (sequences[entry].verdict == SEQUENCE_REPLACED) {
		strbuf_add_text(out, sequences[entry].replacement);
		drop(filter);
		return;
	}
	strbuf_add_char(out, ESC);
	if (between)
		strbuf_add_char(out, between);
	strbuf_add_char(out, (char) final);
	enter(filter, STATE_GROUND);
}

static void take_escape(struct filter *filter, unsigned char byte, struct strbuf *out)
{
	if (take_inner(filter, byte, out))
		return;
	if (byte < 0x30)
		append(filter, byte);
	else if (filter->length == 0 && byte == '[')
		enter(filter, STATE_CSI);
	else if (filter->length == 0 && byte == ']')
		enter(filter, STATE_OSC);
	else if (filter->length == 0 && sequence_find_final(SEQUENCE_STRING, 0, 0, (char)byte) >= 0)
		enter(filter, STATE_STRING);
	else
		end_escape(filter, byte, out);
}

/* Of several modes in one sequence, each that passes goes on in one of its own. */
static void end_modes(struct filter *filter, const struct csi *csi, struct strbuf *out)
{
	for (size_t i = 0; i < csi->count; i++) {
		int entry = sequence_find_mode(csi->prefix, csi->numbers[i]);

		if (!may_pass(filter, entry) || csi->has_parts) {
			filter->dropped++;
			continue;
		}
		note_use(filter, entry, out);
		strbuf_add_text(out, "\033[");
		if (csi->prefix)
			strbuf_add_char(out, csi->prefix);
		strbuf_addf(out, "%u%c", csi->numbers[i], csi->final);
	}
	enter(filter, STATE_GROUND);
}

static void end_csi(struct filter *filter, unsigned char final, struct strbuf *out)
{
	struct csi csi;
	int entry;

	if (filter->is_too_long ||
	    !csi_parse(filter->pending, filter->length, (char) final, &csi)) {
		drop(filter);
		return;
	}
	if ((final == 'h' || final == 'l') && !csi.intermediate) {
		end_modes(filter, &csi, out);
		return;
	}
	entry = sequence_find_final(SEQUENCE_CSI, csi.prefix, csi.intermediate, csi.final);
	if (!may_pass(filter, entry) || !csi_is_allowed(&csi, &sequences[entry])) {
		drop(filter);
		return;
	}
	note_use(filter, entry, out);
	strbuf_add_text(out, "\033[");
	strbuf_add(out, filter->pending, filter->length);
	strbuf_add_char(out, (char) final);
	enter(filter, STATE_GROUND);
}

static void take_csi(struct filter *filter, unsigned char byte, struct strbuf *out)
{
	if (take_inner(filter, byte, out))
		return;
	if (byte < 0x40)
		append(filter, byte);
	else
		end_csi(filter, byte, out);
}

/* The number that an OSC begins with, or -1. */
static int osc_number(const struct filter *filter, size_t *ret_length)
{
	int number = 0;
	size_t i;

	for (i = 0; i < filter->length && filter->pending[i] >= '0' && filter->pending[i] <= '9';
	     i++)
		number = number < 100000 ? number * 10 + (filter->pending[i] - '0') : number;
	*ret_length = i;
	if (i > 1 && filter->pending[0] == '0') /* the same number in another form */
		return -1;
	return i && i < filter->length && filter->pending[i] == ';' ? number : -1;
}

/*
 * Linux's console reads a string byte by byte, also where it speaks UTF-8: one that is 0x9b, of
 * whatever character, begins a control sequence there, which nobody has looked at.
 */
static bool is_plain(const struct filter *filter, const char *text, size_t length)
{
	if (memchr(text, C1_CSI, length))
		return false;
	for (size_t i = 0; filter->is_ascii && i < length; i++)
		if (text[i] & 0x80)
			return false;
	return length <= TITLE_MAX && text_is_plain(text, length);
}

/* The text behind the number and its semicolon is one that the entry lets pass. */
static bool may_say(const struct filter *filter, const struct sequence *sequence, size_t digits)
{
	const char *text = filter->pending + digits + 1;
	size_t length = filter->length - digits - 1;

	if (sequence->only)
		return length == strlen(sequence->only) &&
		       memcmp(text, sequence->only, length) == 0;
	return is_plain(filter, filter->pending + digits, filter->length - digits);
}

static void end_osc(struct filter *filter, const char *terminator, struct strbuf *out)
{
	size_t digits;
	int number = osc_number(filter, &digits);
	int entry = number < 0 ? -1 : sequence_find_number(SEQUENCE_OSC, (uint32_t)number);

	if (!may_pass(filter, entry) || filter->is_too_long ||
	    !may_say(filter, &sequences[entry], digits)) {
		drop(filter);
		return;
	}
	note_use(filter, entry, out);
	strbuf_add_text(out, "\033]");
	strbuf_add(out, filter->pending, filter->length);
	strbuf_add_text(out, terminator);
	enter(filter, STATE_GROUND);
}

static void take_osc(struct filter *filter, unsigned char byte, struct strbuf *out)
{
	/* Linux's console has two that nothing ends: all that follows would be dropped. */
	if ((filter->length == 0 && byte == 'R') || byte == CAN || byte == SUB)
		drop(filter);
	else if (filter->length == 0 && byte == 'P')
		enter(filter, STATE_PALETTE);
	else if (byte == '\a')
		end_osc(filter, "\a", out);
	else if (byte == ESC)
		filter->state = STATE_OSC_END;
	else
		append(filter, byte);
}

static void take_osc_end(struct filter *filter, unsigned char byte, struct strbuf *out)
{
	if (byte == '\\') {
		end_osc(filter, "\033\\", out);
		return;
	}
	drop(filter);
	enter(filter, STATE_ESCAPE);
	take_escape(filter, byte, out);
}

static void take_string(struct filter *filter, unsigned char byte)
{
	if (byte == '\a' || byte == CAN || byte == SUB) {
		drop(filter);
	} else if (byte == ESC) { /* a '\' behind it is an escape of its own, and dropped */
		drop(filter);
		enter(filter, STATE_ESCAPE);
	}
}

static bool is_digit16(unsigned char byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') ||
	       (byte >= 'A' && byte <= 'F');
}

static void take_palette(struct filter *filter, unsigned char byte, struct strbuf *out)
{
	if (!is_digit16(byte)) {
		drop(filter);
		take_ground(filter, byte, out);
		return;
	}
	append(filter, byte);
	if (filter->length == PALETTE_DIGITS)
		drop(filter);
}

static void take(struct filter *filter, unsigned char byte, struct strbuf *out)
{
	switch ((enum state)filter->state) {
	case STATE_CHARACTER:
		take_character(filter, byte, out);
		break;
	case STATE_ESCAPE:
		take_escape(filter, byte, out);
		break;
	case STATE_CSI:
		take_csi(filter, byte, out);
		break;
	case STATE_OSC:
		take_osc(filter, byte, out);
		break;
	case STATE_OSC_END:
		take_osc_end(filter, byte, out);
		break;
	case STATE_STRING:
		take_string(filter, byte);
		break;
	case STATE_PALETTE:
		take_palette(filter, byte, out);
		break;
	case STATE_GROUND:
	default:
		take_ground(filter, byte, out);
	}
}

/* How much of the text is printable ASCII, most of all there is. */
static size_t plain_length(const char *bytes, size_t length)
{
	size_t i = 0;

	while (i < length && bytes[i] >= 0x20 && bytes[i] < DEL)
		i++;
	return i;
}

void filter_add(struct filter *filter, const char *bytes, size_t length, struct strbuf *out)
{
	for (size_t at = 0; at < length;) {
		size_t plain = 0;

		if (filter->state == STATE_GROUND)
			plain = plain_length(bytes + at, length - at);
		if (plain)
			strbuf_add(out, bytes + at, plain);
		else
			take(filter, (unsigned char)bytes[at], out);
		at += plain ? plain : 1;
	}
}

void filter_end(struct filter *filter, struct strbuf *out)
{
	if (filter->state == STATE_CHARACTER)
		replace_character(filter, out);
	for (size_t i = sequence_count; i-- > 0;)
		if (filter->used[i / 64] & UINT64_C(1) << (i % 64))
			strbuf_add_text(out, sequences[i].undo);
	filter_init(filter, filter->is_ascii);
}
