/*
 * Completion scripts, generated from the tables of commands and options.
 */
#ifndef COMMAND_COMPLETION_H
#define COMMAND_COMPLETION_H

#include <stdbool.h>

#include "base/strbuf.h"
#include "command/command.h"

/*
 * Writes the script for @shell ("bash", "zsh", "fish") that completes the commands of @table and
 * their options. Returns false when the shell is not known. Pure.
 */
bool completion_script(const char *shell, const struct command *const *table, struct strbuf *out);

#endif
