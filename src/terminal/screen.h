/*
 * The user's own terminal while something else has it: raw mode, and the way back from there
 * whatever happens to us.
 */
#ifndef TERMINAL_SCREEN_H
#define TERMINAL_SCREEN_H

#include <stdbool.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "base/error.h"

/* True when both the input and the output are a terminal. */
bool screen_is_there(void);

/*
 * True when the locale says that the terminal speaks another character set than UTF-8, or says
 * nothing (LC_ALL, LC_CTYPE, LANG; XBD §8.2).
 */
bool screen_is_ascii(void);

/*
 * Puts the terminal at standard input into raw mode; until screen_leave() every signal that ends
 * the program puts it back first. *ret_before is how it was. EX_OSERR.
 */
MUST_CHECK int screen_enter(struct termios *ret_before, struct error *err);

/* Back to how it was. @discard: what was typed and not read yet is dropped. Twice is fine. */
void screen_leave(bool discard);

/* Readable when screen_look() has something to do; -1 outside of raw mode. */
int screen_fd(void);

/*
 * What the terminal's user wants of us: a stop (SIGTSTP) happens in here, until we are continued.
 * Returns true when the size may have changed.
 */
bool screen_look(void);

struct winsize screen_size(void);

#endif
