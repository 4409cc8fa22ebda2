/*
 * What `up` and `provision` have said of a sandbox, kept for `migrant logs --provision`: who comes
 * back after an hour finds it, whatever became of the terminal.
 */
#ifndef PROVISION_JOURNAL_H
#define PROVISION_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#define JOURNAL_MAX (UINT64_C(1) << 20) /* bytes of a file; there are two at most */

/*
 * From now on every line that is shown is also kept for the sandbox @name, with the time in front;
 * for one at a time, until the program ends. The caller holds the sandbox's lock. A log that cannot
 * be written is a warning.
 */
void journal_begin(const char *name);

/* Where it is kept, and where what came before that; the caller frees. */
char *journal_path(const char *name, bool is_older);

/* Takes it away with the sandbox. Absent is fine. */
void journal_forget(const char *name);

#endif
