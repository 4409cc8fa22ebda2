/*
 * The names of a sandbox's disks in the pool: disk-UUID.qcow2, and disk-UUID-N.qcow2 for those that
 * were put over it since.
 */
#ifndef HOOK_DISKS_H
#define HOOK_DISKS_H

#include <stdbool.h>
#include <stdint.h>

#define DISK_NUMBER_MAX 999999

/* How many frozen disks, and a layer, may lie between a sandbox's disk and the box's image. */
#define DISK_LAYERS_MAX 24

/* True for the pool's path of a layer: layer-KEY-RANDOM.qcow2. */
bool disk_is_layer(const char *path);

/*
 * True when @name is that of a disk of sandbox @uuid (NULL: of any). *ret_number (optional) is its
 * N, 0 for the first.
 */
bool disk_name_parse(const char *name, const char *uuid, uint64_t *ret_number);

#endif
