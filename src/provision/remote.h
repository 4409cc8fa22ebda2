/*
 * A command for the guest's shell that runs exactly the argument vector that was given: SSH carries
 * one string, which the login shell there reads.
 */
#ifndef PROVISION_REMOTE_H
#define PROVISION_REMOTE_H

#include <stddef.h>

/*
 * The path @path of the guest as its shell takes it, which begins in the home directory: "~" and
 * "~/" go; never empty. Borrowed from @path.
 */
const char *remote_path(const char *path);

/*
 * @argv: NULL-terminated, not empty. @directory: where it runs, or NULL for the home directory.
 * @environment: "NAME=value", NULL-terminated, or NULL; the names are valid (remote_is_variable()).
 * The status is the command's, 128+N when the signal N ended it, 127 when it is not found, 126 when
 * it or the directory cannot be used. Pure; the caller frees.
 */
char *remote_command(const char *directory, const char *const *environment,
		     const char *const *argv);

/* The length of the variable's name that @text begins with (XBD §8.1); 0: none. */
size_t remote_variable_length(const char *text);

#endif
