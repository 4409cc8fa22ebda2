/*
 * Files: capped reads, atomic replacement, look-ups that do not follow what others can change.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/error.h"

/*
 * Reads a regular file of at most @max bytes below @dirfd (or AT_FDCWD). The text is NUL-terminated
 * and owned by the caller; *ret_length (optional) is its length without that NUL.
 * Fails with EX_NOINPUT when it is absent, EX_NOPERM, EX_DATAERR when larger or not a regular file
 * (a FIFO or device is never waited for), EX_IOERR. Error texts name @path escaped by the caller's
 * printer.
 */
MUST_CHECK int file_read(int dirfd, const char *path, size_t max, char **ret_text,
			 size_t *ret_length, struct error *err);

/* Reads @fd to its end, at most @max bytes; more is EX_DATAERR. */
MUST_CHECK int file_read_fd(int fd, size_t max, char **ret_text, size_t *ret_length,
			    struct error *err);

/* Writes all bytes to @fd, going on after short writes and EINTR. errno on failure. */
MUST_CHECK int file_write_fd(int fd, const void *bytes, size_t length);

/*
 * Replaces or creates @path (below @dirfd) with the bytes: temporary name beside it, fsync, rename.
 * Readers see the old or the new content, never a half. EX_CANTCREAT or EX_IOERR.
 */
MUST_CHECK int file_replace(int dirfd, const char *path, const void *bytes, size_t length,
			    mode_t mode, struct error *err);

/*
 * Opens @path below @dirfd with openat2(2): RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, O_CLOEXEC
 * added. For paths that somebody else may have prepared. Returns the descriptor or -1 with errno.
 */
MUST_CHECK int file_open_beneath(int dirfd, const char *path, int flags, mode_t mode);

/* Makes @path and its missing parents, each with @mode. EX_CANTCREAT. */
MUST_CHECK int file_make_dirs(const char *path, mode_t mode, struct error *err);

/* Removes what is below and including @name in @dirfd, without following links. Absent is fine. */
MUST_CHECK int file_remove_tree(int dirfd, const char *name, struct error *err);

/* A sealed, close-on-exec memory file holding the bytes, read position 0. -1 with errno. */
MUST_CHECK int file_memory(const char *name, const void *bytes, size_t length);

#endif
