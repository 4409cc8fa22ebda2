/*
 * The mounts that a process sees, as /proc/PID/mountinfo tells them (proc(5)), and mounts whose
 * comings and goings every process is to see.
 */
#ifndef BASE_MOUNT_H
#define BASE_MOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct mount_entry {
	int id, parent;
	unsigned int major, minor; /* of the file system's device */
	char *root;		   /* the directory of the file system that is mounted */
	char *point;   /* as the process sees it; "//deleted" at its end when it is gone */
	char *options; /* of this mount: "rw,nosuid" */
	char *type, *source;
	bool shared;
};

struct mount_list {
	struct mount_entry *items;
	size_t count;
};

/* EX_DATAERR for what is no mountinfo; names are decoded. Pure. */
MUST_CHECK int mount_list_parse(const char *text, struct mount_list *ret_list, struct error *err);

/* Reads "/proc/self/mountinfo" or that of another process. EX_NOINPUT when it is gone. */
MUST_CHECK int mount_list_load(const char *path, struct mount_list *ret_list, struct error *err);
void mount_list_done(struct mount_list *list);
#define _cleanup_mounts_ _cleanup_(mount_list_done)

/* NULL when there is none with that id. */
const struct mount_entry *mount_list_find(const struct mount_list *list, int id);

/* The id of the mount that @fd (O_PATH is enough) lies on; -1 with errno. */
int mount_id(int fd);

/*
 * Makes the directory @path if it is missing, and a mount of its own if the one it lies on does not
 * propagate: what is mounted below is then unmounted everywhere at once. EX_OSERR.
 */
MUST_CHECK int mount_ensure_shared(const char *path, struct error *err);

#endif
