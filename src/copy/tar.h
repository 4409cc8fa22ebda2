/*
 * The little of tar that `migrant cp` needs: POSIX ustar with pax headers (pax(1), "ustar
 * Interchange Format" and "pax Extended Header"). Pure: no file is touched here.
 *
 * What is read comes from a guest, so reading is strict: what is not exactly as GNU tar's
 * --format=posix writes it ends the reading with an error.
 */
#ifndef COPY_TAR_H
#define COPY_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"

#define TAR_BLOCK    512
#define TAR_PATH_MAX 4095 /* bytes of a path */

enum tar_type {
	TAR_FILE,
	TAR_DIRECTORY,
	TAR_SYMLINK,
	TAR_HARD_LINK,
	TAR_DEVICE, /* character or block */
	TAR_FIFO,
};

struct tar_entry {
	enum tar_type type;
	const char *path; /* as it was sent: judge it */
	const char *link; /* where a link leads, or NULL */
	uint64_t size;	  /* TAR_FILE: bytes of content */
	mode_t mode;	  /* permission bits, 0 to 07777 */
	int64_t modified; /* seconds since 1970; written, not read */
};

/* What is told of a stream as it is read; -1 with *err set ends the reading. */
struct tar_handler {
	/* An entry begins; its strings are borrowed until this returns. */
	int (*entry)(void *data, const struct tar_entry *entry, struct error *err);
	/* A piece of the file's content. */
	int (*content)(void *data, const char *bytes, size_t length, struct error *err);
	/* The file whose entry came last is complete. */
	int (*complete)(void *data, struct error *err);
};

struct tar_reader {
	const struct tar_handler *handler;
	void *data;
	/* private */
	char block[TAR_BLOCK];
	size_t filled;	    /* of the block */
	uint64_t content;   /* bytes of the file that are still to come */
	uint64_t padding;   /* behind it */
	bool extended;	    /* what comes is a pax header */
	bool ignored;	    /* a global one, whose values are nobody's */
	struct strbuf text; /* of the pax header */
	char *path, *link;  /* from the pax header, for the next entry */
	uint64_t size;
	bool has_size, has_extended, has_global;
	unsigned int zeros; /* blocks of zeros: two end the archive, few follow */
};

#define _cleanup_tar_ _cleanup_(tar_reader_done)
void tar_reader_done(struct tar_reader *reader);

/* Takes the next bytes, however they are cut. EX_DATAERR for what is no such archive. */
MUST_CHECK int tar_read(struct tar_reader *reader, const char *bytes, size_t length,
			struct error *err);

/* There is nothing more. EX_DATAERR when the archive is not complete. */
MUST_CHECK int tar_read_end(const struct tar_reader *reader, struct error *err);

/* Appends the header of an entry, with a pax header before it where ustar is too narrow. */
void tar_write_header(struct strbuf *out, const struct tar_entry *entry);

/* The zeros that follow @size bytes of content. */
size_t tar_padding(uint64_t size);

/* The end of the archive. */
void tar_write_end(struct strbuf *out);

#endif
