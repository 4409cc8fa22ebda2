/*
 * What a guest prints, made fit for the terminal of the person who looks at it: what stays on the
 * screen passes, what reaches beyond it (clipboard, files, the title's and the screen's way back
 * into the keyboard) does not. Pure: bytes in, bytes out.
 */
#ifndef TERMINAL_FILTER_H
#define TERMINAL_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

#define FILTER_SEQUENCE_MAX 512 /* bytes; a longer one is dropped */
#define FILTER_USED_WORDS   2

struct filter {
	bool is_ascii; /* the terminal does not speak UTF-8 */
	int state;
	char pending[FILTER_SEQUENCE_MAX]; /* a sequence or character that is not all there yet */
	size_t length;
	bool is_too_long;
	uint64_t used[FILTER_USED_WORDS]; /* entries of the table that have something to undo */
	uint64_t dropped;		  /* sequences and bytes that did not pass */
	bool has_asked;			  /* the terminal was made to type something */
	bool drops_questions; /* set after filter_init(): who asks could not read the answer */
};

/*
 * @is_ascii: for a terminal of another character set than UTF-8, to which the second byte of a
 * character could be a control. It gets '?' for every other character.
 */
void filter_init(struct filter *filter, bool is_ascii);

/*
 * Appends to @out what passes of the bytes. However a text is cut into calls, the same comes out.
 * At most three bytes come out for one that goes in, but for what is replaced (see the table).
 */
void filter_add(struct filter *filter, const char *bytes, size_t length, struct strbuf *out);

/*
 * The guest says no more: what it left incomplete is dropped, and what passed and would stay with
 * the terminal (another screen, mouse reports, a hidden cursor) is undone. The filter is as new.
 */
void filter_end(struct filter *filter, struct strbuf *out);

#endif
