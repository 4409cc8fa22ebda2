/*
 * What was made of a sandbox's shares, as root remembers it in RUN_DIR/NAME/shares.json while the
 * sandbox runs.
 */
#ifndef SHARE_MADE_H
#define SHARE_MADE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/mount.h"
#include "share/share.h"

#define MADE_FILE "shares.json"

struct made {
	char *tag;
	char *path;    /* absolute, of the directory that the user sees it in */
	char *image;   /* id; "" without isolation */
	uint64_t size; /* bytes of the image */
	uid_t uid;     /* who virtiofsd is on the host */
	gid_t gid;
	int source_id, shown_id; /* of the mounts; shown_id is -1 without isolation */
	char *source, *shown;	 /* their made_describe(); "" without isolation */
};

struct made_list {
	struct made items[SHARE_MAX];
	size_t count;
};

/* Device, root, options and type of a mount, as one text. The caller frees. */
char *made_describe(const struct mount_entry *entry);

char *made_format(const struct made_list *list);
/* EX_DATAERR when it is not what made_format() writes. Both pure. */
MUST_CHECK int made_parse(const char *text, struct made_list *ret_list, struct error *err);

/* Writes or reads RUN_DIR/NAME/shares.json. EX_NOINPUT: the sandbox has no shares. */
MUST_CHECK int made_store(const char *name, const struct made_list *list, struct error *err);
MUST_CHECK int made_load(const char *name, struct made_list *ret_list, struct error *err);
void made_list_done(struct made_list *list);
#define _cleanup_made_ _cleanup_(made_list_done)

#endif
