/*
 * The images of shares, which are root's: what the helper says of them, and what it is asked to do.
 */
#ifndef COMMAND_STORED_H
#define COMMAND_STORED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "command/project.h"

#define STORED_DIR "/var/lib/migrant"

struct stored {
	char *id;
	uid_t owner;
	char *sandbox;	 /* its name when the image was made */
	char *directory; /* of the project */
	char *share;	 /* path below it */
	char *created;	 /* RFC 3339 */
	uint64_t size, allocated;
	bool present, in_use;
	bool orphan; /* there is no project in that directory any more */
};

struct stored_list {
	struct stored *items;
	size_t count;
};
void stored_list_done(struct stored_list *images);
#define _cleanup_stored_ _cleanup_(stored_list_done)

/* The caller's; for root, everybody's. Errors as helper_run(). */
MUST_CHECK int stored_load(struct stored_list *images, struct error *err);

/* Those of one project of the caller's; the others are left out. */
MUST_CHECK int stored_of_project(const struct config *config, struct stored_list *images,
				 struct error *err);

/* Bytes on the disk together. */
uint64_t stored_allocated(const struct stored_list *images);

MUST_CHECK int stored_delete(const struct stored *image, struct error *err);

/* Gives image @id to the project. */
MUST_CHECK int stored_adopt(const struct project *project, const char *id, struct error *err);

/*
 * Shows the user the shares of a sandbox that does not run, in the project's directory; and takes
 * that away again, saying what still uses them. EXIT_STATE when it runs.
 */
MUST_CHECK int stored_mount(const struct project *project, struct error *err);
MUST_CHECK int stored_unmount(const char *name, struct error *err);

#endif
