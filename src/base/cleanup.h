/*
 * Cleanup by attribute, so that a reader sees in one place that a function frees what it owns.
 *
 * `_cleanup_free_ char *text = NULL;` frees at the end of the scope; ownership leaves through
 * take_ptr() and take_fd(), which empty the variable and so disarm the cleanup.
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(array)      (sizeof(array) / sizeof((array)[0]))
#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))
#define MUST_CHECK	       __attribute__((warn_unused_result))

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _cleanup_free_	    _cleanup_(cleanup_free)
#define _cleanup_close_	    _cleanup_(cleanup_close)
#define _cleanup_fclose_    _cleanup_(cleanup_fclose)
#define _cleanup_closedir_  _cleanup_(cleanup_closedir)

/* The value of a pointer variable, which is NULL afterwards. */
#define take_ptr(pointer)                                    \
	({                                                   \
		__typeof__(pointer) *take_from = &(pointer); \
		__typeof__(pointer) taken = *take_from;      \
		*take_from = NULL;                           \
		taken;                                       \
	})

/* The value of a descriptor variable, which is -1 afterwards. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Closes *fd if it is open and leaves errno alone. */
static inline void cleanup_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}

static inline void cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#endif
