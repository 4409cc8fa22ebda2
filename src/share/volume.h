/*
 * Mounts by descriptor: made where nobody sees them, given all their properties, attached last.
 */
#ifndef SHARE_VOLUME_H
#define SHARE_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct volume {
	unsigned int loop; /* /dev/loopN with an ext4 */
	bool discard;	   /* what is deleted is given back to the host's disk */
	bool read_only;
	int userns; /* whose ids it shows: userns_make() */
};

/*
 * A detached mount of the whole file system, without links, devices, set-uid or programs that can
 * be run. Of the same device a second one shows the same files. EX_UNAVAILABLE when the kernel
 * cannot, EX_IOERR.
 */
MUST_CHECK int volume_mount(const struct volume *volume, int *ret_mount, struct error *err);

/* A detached mount of one directory, without devices and set-uid. */
MUST_CHECK int volume_bind(int directory, bool read_only, int *ret_mount, struct error *err);

/* Attaches a detached mount to the directory @target, by descriptor. EX_OSERR. */
MUST_CHECK int volume_attach(int mount, int target, struct error *err);

/* Makes the mount on which @directory lies propagate what is mounted in it. EX_OSERR. */
MUST_CHECK int volume_share_parent(int directory, struct error *err);

/* Bytes that the file system can hold, with its own data; 0 when that cannot be told. */
uint64_t volume_size(int directory);

#endif
