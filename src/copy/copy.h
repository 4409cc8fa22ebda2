/*
 * Copying trees between host and guest. One side is always tar in the guest, whose output is a
 * guest's word; the other is here, and follows no link on the host, ours or planted.
 */
#ifndef COPY_COPY_H
#define COPY_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "copy/tar.h"

#define COPY_NAMED_MAX 10

struct copy_limits {
	uint64_t entries; /* files, directories and all else */
	uint64_t bytes;	  /* of content */
};

/* What was done, and what was not. */
struct copy_report {
	uint64_t files, directories, links;
	uint64_t bytes;
	uint64_t skipped;	     /* links, devices, FIFOs, sockets … */
	char *named[COPY_NAMED_MAX]; /* the first of them, "path: what", with the path as it is */
};
void copy_report_done(struct copy_report *report);
#define _cleanup_copy_report_ _cleanup_(copy_report_done)

/* Says what was not copied, and how much was. @place: where it is now, or NULL. */
void copy_report_tell(const struct copy_report *report, const char *place);

/* Counts one that was not copied. */
void copy_skip(struct copy_report *report, const char *path, const char *what);

/*
 * The last component of @path as a name to copy under; "." for a path that ends in "." or "..", or
 * is the root: then what is in it is copied, not itself. The caller frees.
 */
char *copy_name(const char *path);

/* The directory of @path's last component, for tar's --directory: "." at least. */
char *copy_parent(const char *path);

/*
 * Opens @path (of the host, as the user wrote it) through no symbolic link; O_CLOEXEC is added.
 * EX_NOINPUT, EX_NOPERM, EX_IOERR, with the way out for a link. Returns the descriptor or -1.
 */
MUST_CHECK int copy_open(const char *path, int flags, struct error *err);

/*
 * Whether @path (of the host, as the user wrote it) is a directory that a copy goes into; what is
 * not there yet is none, and so is a file, which is replaced. Anything else is EX_CANTCREAT: root
 * would replace /dev/null for all. Errors as copy_open().
 */
MUST_CHECK int copy_find_target(const char *path, bool *ret_is_directory, struct error *err);

/* Guest to host. */
struct unpack {
	int top;	  /* the directory on the host in which all of it stays; borrowed */
	const char *root; /* what was asked for, see copy_name() */
	const char *name; /* what becomes of it in @top; NULL: what is in it goes into @top */
	struct copy_limits limits;
	struct copy_report report;
	/* private */
	struct tar_reader reader;
	int parent, file;	  /* the file that is being written, and its directory */
	char *temporary, *target; /* its names there */
	char *path;		  /* as it is called in messages */
	mode_t mode;
};

#define UNPACK_INIT                                 \
	{                                           \
		.top = -1, .parent = -1, .file = -1 \
	}
#define _cleanup_unpack_ _cleanup_(unpack_done)
/* A file that is half there goes. */
void unpack_done(struct unpack *unpack);

/*
 * Takes the guest's stream as it comes. EX_DATAERR for what is no archive, was not asked for or is
 * more than the limits; EX_CANTCREAT, EX_IOERR. What was complete by then stays.
 */
MUST_CHECK int unpack_take(struct unpack *unpack, const char *bytes, size_t length,
			   struct error *err);
MUST_CHECK int unpack_end(struct unpack *unpack, struct error *err);

/* Host to guest. */
struct pack;

/*
 * Begins at @fd (a regular file or a directory, owned from now on), called @name in the archive.
 * EX_DATAERR for anything else.
 */
MUST_CHECK int pack_new(int fd, const char *name, const struct copy_limits *limits,
			struct pack **ret_pack, struct error *err);
void pack_free(struct pack *pack);

/* Up to @room bytes of the archive: their number, 0 at its end, -1 with *err set. */
ssize_t pack_give(struct pack *pack, char *buffer, size_t room, struct error *err);

const struct copy_report *pack_report(const struct pack *pack);

static inline void cleanup_pack(struct pack **pack)
{
	pack_free(*pack);
}
#define _cleanup_pack_ _cleanup_(cleanup_pack)

#endif
