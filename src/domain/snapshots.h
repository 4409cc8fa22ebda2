/*
 * The snapshots of a sandbox, as its domain remembers them: an element of their own in <metadata>,
 * which the root side does not read.
 */
#ifndef DOMAIN_SNAPSHOTS_H
#define DOMAIN_SNAPSHOTS_H

#include <libxml/tree.h>
#include <libxml/xmlwriter.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define SNAPSHOTS_URI	  "https://migrant.dev/xmlns/snapshots/1"
#define SNAPSHOTS_PREFIX  "snapshots"
#define SNAPSHOTS_MAX	  64
#define SNAPSHOT_TEXT_MAX 512 /* bytes */
#define MEMORY_PREFIX	  "memory-"

/* The one that `up` keeps by itself. */
#define SNAPSHOT_UP "up"

struct snapshot {
	char *name;
	char *layer;   /* the volume that was frozen: nothing writes to it any more */
	char *created; /* RFC 3339, UTC */
	char *text;    /* the user's words, or NULL */
	bool running;  /* the guest ran: its disk is as after a power cut */
	char *memory;  /* the volume with the guest's memory of that moment, or NULL … */
	char *machine; /* … and on what it goes on: see memory_machine() */
};

/* The name of a memory's volume: memory-UUID-N; NULL for any sandbox. */
bool memory_name_is_valid(const char *name, const char *uuid);

void snapshot_done(struct snapshot *snapshot);
#define _cleanup_snapshot_ _cleanup_(snapshot_done)

/* EX_DATAERR when it cannot be one: the name, a text with control characters. */
MUST_CHECK int snapshot_check(const struct snapshot *snapshot, struct error *err);

struct snapshots {
	struct snapshot *items; /* oldest first */
	size_t count;
};

/* NULL when there is none of that name. */
const struct snapshot *snapshots_find(const struct snapshots *snapshots, const char *name);

/* Adds copies; the name is new. EX_DATAERR when there are SNAPSHOTS_MAX, or a value is not valid.
 */
MUST_CHECK int snapshots_add(struct snapshots *snapshots, const struct snapshot *snapshot,
			     struct error *err);
/* Not there is fine. */
void snapshots_remove(struct snapshots *snapshots, const char *name);

/* Writes the element; none when there are no snapshots. */
void snapshots_write(const struct snapshots *snapshots, xmlTextWriterPtr writer);

/*
 * Reads it out of a <domain>. EX_DATAERR when it is not what snapshots_write() writes. None is
 * fine.
 */
MUST_CHECK int snapshots_read(const xmlDoc *domain, struct snapshots *ret_snapshots,
			      struct error *err);

/* Our element below <domain><metadata>, or NULL. */
xmlNode *snapshots_find_element(const xmlDoc *domain);

void snapshots_done(struct snapshots *snapshots);
#define _cleanup_snapshots_ _cleanup_(snapshots_done)

#endif
