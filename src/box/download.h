/*
 * Bytes from elsewhere into a file of ours. Nothing here trusts them.
 */
#ifndef BOX_DOWNLOAD_H
#define BOX_DOWNLOAD_H

#include <stdint.h>

#include "base/error.h"

struct download {
	const char *url;  /* https, http or file */
	uint64_t max;	  /* bytes; more is EX_DATAERR */
	const char *what; /* shown as progress, or NULL */
};

/*
 * Fetches into @fd, from its beginning. EX_NOINPUT when the server says there is no such thing,
 * EX_DATAERR when it breaks off or is too large, EX_UNAVAILABLE when nobody answers as they should,
 * EX_TEMPFAIL when nothing moves any more, EX_IOERR when @fd cannot be written.
 */
MUST_CHECK int download_url(const struct download *download, int fd, struct error *err);

/* Copies a local file. The same errors. */
MUST_CHECK int download_file(const char *path, uint64_t max, int fd, struct error *err);

#endif
