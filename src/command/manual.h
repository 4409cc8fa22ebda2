/*
 * The manual pages, made from the tables that the parser and the help are made from. Pure.
 */
#ifndef COMMAND_MANUAL_H
#define COMMAND_MANUAL_H

#include "base/strbuf.h"

/* migrant(1) and migrantfile(5) in man(7); @example is a whole Migrantfile. */
void manual_of_commands(struct strbuf *out);
void manual_of_migrantfile(const char *example, struct strbuf *out);

#endif
