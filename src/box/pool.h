/*
 * The libvirt storage pool `migrant`, where every file that QEMU opens lies. All through libvirt's
 * storage API as the unprivileged user; nothing here touches the directory itself.
 *
 * Layers (layer/layer.h): layer-KEY-RANDOM.qcow2, read-only, and layer-KEY.json, the manifest.
 *
 * Names in the pool: base-SHA256.qcow2 (a box's image, read-only), kernel-SHA256, initrd-SHA256,
 * box-NAME.json (the box's manifest: valid JSON only when complete, so it is what publishes a box),
 * disk-UUID.qcow2, disk-UUID-N.qcow2 (a sandbox's overlays), memory-UUID-N (its
 * memory, saved with a snapshot), seed-UUID.iso (its seed), kernel-UUID
 * and initrd-UUID (its own copies: libvirt gives what QEMU boots to QEMU's user, who must not own
 * what others boot).
 */
#ifndef BOX_POOL_H
#define BOX_POOL_H

#include <libvirt/libvirt.h>
#include <stdint.h>

#include "base/error.h"
#include "box/volume.h"

#define POOL_NAME      "migrant"
#define POOL_DIRECTORY "/var/lib/libvirt/images/migrant"

/* The started pool. EX_UNAVAILABLE with "run sudo migrant setup" when it is not there. */
MUST_CHECK int pool_open(virConnectPtr connection, virStoragePoolPtr *ret_pool, struct error *err);

/* Path of volume @name; the caller frees. */
char *pool_path(const char *name);

/* True when a volume of that name exists (after a refresh of that name). */
bool pool_has(virStoragePoolPtr pool, const char *name);

/*
 * Makes a raw volume of @length bytes from memory or from a file descriptor (read from its start),
 * with @mode and owner root. An existing one is EX_CANTCREAT unless @replace. A full disk is
 * EX_IOERR and leaves no volume. Progress is shown as @what (NULL: none) when reading from a
 * descriptor.
 */
MUST_CHECK int pool_store(virStoragePoolPtr pool, const char *name, const void *bytes,
			  size_t length, unsigned int mode, bool replace, struct error *err);
MUST_CHECK int pool_store_fd(virStoragePoolPtr pool, const char *name, int fd, uint64_t length,
			     unsigned int mode, const char *what, struct error *err);

/*
 * The same with mode 0440 and group @group: for root and that group, and nobody's to change.
 */
MUST_CHECK int pool_store_for_group(virStoragePoolPtr pool, const char *name, int fd,
				    uint64_t length, unsigned int group, struct error *err);

/*
 * Writes the bytes of a volume's file, whatever its format, to @fd; or, with pool_digest(), only
 * computes their SHA-256. EX_NOINPUT, EX_IOERR; 128+signal when interrupted. (transfer.c)
 */
MUST_CHECK int pool_fetch(virStoragePoolPtr pool, const char *name, int fd, struct error *err);
MUST_CHECK int pool_digest(virStoragePoolPtr pool, const char *name, char **ret_digest,
			   struct error *err);

/* Reads a volume of at most @max bytes; NUL-terminated, owned by the caller. */
MUST_CHECK int pool_load(virStoragePoolPtr pool, const char *name, size_t max, char **ret_text,
			 size_t *ret_length, struct error *err);

/*
 * Makes a qcow2 overlay of @capacity bytes (0: as many as the base has) over volume @base (format
 * qcow2 or raw as @base_format).
 */
MUST_CHECK int pool_make_overlay(virStoragePoolPtr pool, const char *name, const char *base,
				 const char *base_format, uint64_t capacity, struct error *err);

/* Makes a copy of the raw volume @source with @mode and owner root. An existing one is
 * EX_CANTCREAT. */
MUST_CHECK int pool_copy(virStoragePoolPtr pool, const char *name, const char *source,
			 unsigned int mode, struct error *err);

/* What is known about a volume. EX_NOINPUT when it is not there. */
MUST_CHECK int pool_examine(virStoragePoolPtr pool, const char *name,
			    struct volume_facts *ret_facts, struct error *err);

/* Deletes a volume; absent is fine. */
MUST_CHECK int pool_delete(virStoragePoolPtr pool, const char *name, struct error *err);

/* Names of all volumes that begin with @prefix, NULL-terminated; the caller frees with free_list().
 */
MUST_CHECK int pool_list(virStoragePoolPtr pool, const char *prefix, char ***ret_names,
			 struct error *err);

static inline void cleanup_pool(virStoragePoolPtr *pool)
{
	if (*pool)
		virStoragePoolFree(*pool);
}
#define _cleanup_pool_ _cleanup_(cleanup_pool)

#endif
