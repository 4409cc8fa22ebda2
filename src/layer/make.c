/*
 * Making a layer. The disk is read through libvirt while its guest stands still, which takes as
 * long as reading what the guest has written; all else happens while the guest runs again. The copy
 * is ours and root's: no QEMU has ever had it open for writing.
 */
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/text.h"
#include "box/digest.h"
#include "box/inspect.h"
#include "box/pool.h"
#include "box/scratch.h"
#include "layer/layer.h"

#define MANIFEST_MODE 0400

/* As box_lock(): an abstract socket is free again the moment its process dies. */
int layer_lock(const char *key)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
			      "migrant-layer-%.64s", key);

	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&address,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) < 0)
		return -1;
	return take_fd(&fd);
}

static int check_image(int fd, const char *base, struct error *err)
{
	_cleanup_free_ char *path = pool_path(base);
	_cleanup_free_ unsigned char *header = xcalloc(1, IMAGE_HEADER_MAX);
	ssize_t got = pread(fd, header, IMAGE_HEADER_MAX, 0);
	struct stat status;
	uint64_t capacity;

	if (got < 0 || fstat(fd, &status) < 0)
		return error_errno(err, EX_IOERR, "cannot read the copy of the disk");
	return image_check_overlay(header, (size_t)got, (uint64_t)status.st_size, path, &capacity,
				   err);
}

int layer_fetch(virStoragePoolPtr pool, const char *disk, const char *base, struct error *err)
{
	_cleanup_close_ int fd = scratch_file(err);

	if (fd < 0 || pool_fetch(pool, disk, fd, err) < 0 || check_image(fd, base, err) < 0)
		return -1;
	return take_fd(&fd);
}

static int new_volume_name(const char *key, char **ret_name, struct error *err)
{
	unsigned char b[8];

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return error_errno(err, EX_OSERR, "cannot get random bytes");
	*ret_name = text_format(LAYER_PREFIX "%s-%02x%02x%02x%02x%02x%02x%02x%02x.qcow2", key, b[0],
				b[1], b[2], b[3], b[4], b[5], b[6], b[7]);
	return 0;
}

/* The file's identity, once it is as it will stay. */
static int note_facts(virStoragePoolPtr pool, struct layer *layer, struct error *err)
{
	_cleanup_volume_facts_ struct volume_facts facts = {0};

	/* For libvirt to see what was put into the volume; refused while another upload runs. */
	virStoragePoolRefresh(pool, 0);
	if (pool_examine(pool, layer->volume, &facts, err) < 0)
		return -1;
	if (facts.stored != layer->stored || facts.owner != 0 || facts.group != layer->group)
		return error_set(err, EX_IOERR, "the stored layer is not whole");
	text_replace(&layer->modified, facts.modified);
	text_replace(&layer->changed, facts.changed);
	return 0;
}

static int write_manifest(virStoragePoolPtr pool, const struct layer *layer, struct error *err)
{
	_cleanup_free_ char *name = layer_manifest_name(layer->key);
	_cleanup_free_ char *text = layer_format(layer);

	return pool_store(pool, name, text, strlen(text), MANIFEST_MODE, true, err);
}

static int store(virStoragePoolPtr pool, int fd, struct layer *layer, struct error *err)
{
	struct digest digest;

	if (digest_file(fd, DIGEST_SHA256, &digest, &layer->stored, err) < 0 ||
	    new_volume_name(layer->key, &layer->volume, err) < 0 ||
	    clock_text(time(NULL), &layer->created, err) < 0)
		return -1;
	text_replace(&layer->digest, digest.text);
	return pool_store_for_group(pool, layer->volume, fd, layer->stored, layer->group, err);
}

int layer_publish(virStoragePoolPtr pool, int fd, struct layer *layer, struct error *err)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;

	if (store(pool, fd, layer, err) < 0)
		return -1;
	if (note_facts(pool, layer, err) == 0 && write_manifest(pool, layer, err) == 0)
		return 0;
	if (pool_delete(pool, layer->volume, &ignored) < 0)
		return -1; /* nothing names it, and `storage --prune` finds it */
	return -1;
}
