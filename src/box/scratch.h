/*
 * Room for what is not published yet: files without a name in the user's cache directory, gone with
 * the last descriptor, whatever ends the program.
 */
#ifndef BOX_SCRATCH_H
#define BOX_SCRATCH_H

#include "base/error.h"

/* A new, empty, nameless file, mode 0600; or -1 with *err set. */
MUST_CHECK int scratch_file(struct error *err);

/* A path by which a child of ours reaches @fd while we hold it. The caller frees. */
char *scratch_path(int fd);

#endif
