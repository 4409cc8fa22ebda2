/*
 * Questions before something is deleted for good.
 */
#ifndef COMMAND_ASK_H
#define COMMAND_ASK_H

#include "base/error.h"

/*
 * Asks on the terminal. 1: yes. 0: no, and that nothing was changed has been said. -1: there is no
 * terminal to ask on (EX_USAGE); the hint is @without, the command that does not ask.
 */
MUST_CHECK int ask_user(const char *question, const char *without, struct error *err);

#endif
