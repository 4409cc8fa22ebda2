/*
 * The volumes that belong to one sandbox, named by its UUID.
 */
#ifndef COMMAND_VOLUMES_H
#define COMMAND_VOLUMES_H

#include "box/pool.h"

enum volume_kind { VOLUME_DISK, VOLUME_SEED, VOLUME_KERNEL, VOLUME_INITRD, VOLUME_KINDS };

/* Name of the volume and its path; the caller frees. */
char *sandbox_volume_name(enum volume_kind kind, const char *uuid);
char *sandbox_volume_path(enum volume_kind kind, const char *uuid);

/* Deletes one of them; absent is fine. */
MUST_CHECK int sandbox_volume_delete(virStoragePoolPtr pool, enum volume_kind kind,
				     const char *uuid, struct error *err);

/*
 * Deletes all of them but its disks (command/disks.h), also those of another version that are named
 * by the UUID.
 */
MUST_CHECK int sandbox_volumes_delete(virStoragePoolPtr pool, const char *uuid, struct error *err);

/* How many are there. -1 with *err set. */
MUST_CHECK int sandbox_volumes_count(virStoragePoolPtr pool, const char *uuid, struct error *err);

#endif
