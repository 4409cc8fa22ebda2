/*
 * Publishing. A base volume is named by its digest and counts only when a manifest refers to it:
 * one that an interrupted upload left behind is uploaded anew.
 */
#include "box/publish.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"
#include "box/digest.h"
#include "box/installed.h"
#include "box/manifest.h"

#define BASE_MODE     0444
#define MANIFEST_MODE 0444
#define LOCK_WAIT_MS  200

/*
 * An abstract socket can be bound by one process of the host, whoever its user is, and is free
 * again the moment that process dies: there is no directory that all users of the pool could lock
 * in.
 */
static int try_lock(int fd)
{
	static const char name[] = "\0migrant-boxes";
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(address.sun_path, name, sizeof(name) - 1);
	return bind(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof(name) - 1));
}

int box_lock(struct error *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool said = false;

	if (fd < 0)
		return error_errno(err, EX_OSERR, "cannot make a socket");
	while (try_lock(fd) < 0) {
		struct timespec wait = {.tv_nsec = LOCK_WAIT_MS * 1000000L};

		if (errno != EADDRINUSE)
			return error_errno(err, EX_OSERR, "cannot lock the boxes");
		if (!said)
			log_info("waiting for another migrant that changes the boxes");
		said = true;
		nanosleep(&wait, NULL);
		if (interrupt_pending())
			return interrupt_error(err);
	}
	return take_fd(&fd);
}

struct upload {
	const char *prefix;
	const char *suffix;
	const char *what; /* shown */
	int fd;
	char **slot; /* name of the volume */
};

static int upload(virStoragePoolPtr pool, const struct box_list *installed,
		  const struct upload *upload, struct box *box, struct error *err)
{
	struct digest digest;
	uint64_t length;

	if (digest_file(upload->fd, DIGEST_SHA256, &digest, &length, err) < 0)
		return -1;
	*upload->slot = text_format("%s%s%s", upload->prefix, digest.text, upload->suffix);
	if (upload->slot == &box->image)
		box->digest = text_dup(digest.text);
	box->stored_size += length;
	if (box_list_uses(installed, *upload->slot, NULL) && pool_has(pool, *upload->slot))
		return 0;
	if (pool_delete(pool, *upload->slot, err) < 0)
		return -1;
	return pool_store_fd(pool, *upload->slot, upload->fd, length, BASE_MODE, upload->what, err);
}

static int upload_all(virStoragePoolPtr pool, const struct box_list *installed,
		      const struct publication *publication, struct box *box, struct error *err)
{
	const char *suffix = publication->format == IMAGE_RAW ? ".raw" : ".qcow2";
	const struct upload uploads[] = {
		{"base-", suffix, "storing the image", publication->image, &box->image},
		{"kernel-", "", "storing the kernel", publication->kernel, &box->kernel},
		{"initrd-", "", "storing the initrd", publication->initrd, &box->initrd},
	};

	for (size_t i = 0; i < ARRAY_SIZE(uploads); i++)
		if (uploads[i].fd >= 0 && upload(pool, installed, &uploads[i], box, err) < 0)
			return -1;
	return 0;
}

static int write_manifest(virStoragePoolPtr pool, const struct box *box, struct error *err)
{
	_cleanup_free_ char *name = manifest_name(box->name);
	_cleanup_free_ char *text = NULL;

	if (manifest_format(box, &text, err) < 0)
		return -1;
	return pool_store(pool, name, text, strlen(text), MANIFEST_MODE, true, err);
}

static int check_name(const struct box_list *installed, const struct publication *publication,
		      struct error *err)
{
	if (publication->replace || !box_list_find(installed, publication->name))
		return 0;
	error_set(err, EX_CANTCREAT, "a box '%s' is installed already", publication->name);
	return error_hint(err, "-f replaces it; sandboxes that were made from it keep theirs");
}

int box_publish(virStoragePoolPtr pool, const struct publication *publication, struct box *ret_box,
		struct error *err)
{
	_cleanup_close_ int lock = box_lock(err);
	_cleanup_box_list_ struct box_list installed = {0};
	_cleanup_box_ struct box box = {0};

	if (lock < 0 || box_list_load(pool, &installed, err) < 0 ||
	    check_name(&installed, publication, err) < 0)
		return -1;
	box.name = text_dup(publication->name);
	box.format = text_dup(image_format_name(publication->format));
	box.cmdline = text_dup(publication->cmdline);
	box.firmware = text_dup(publication->firmware);
	box.source = text_dup(publication->source);
	box.virtual_size = publication->virtual_size;
	if (clock_text(time(NULL), &box.created, err) < 0 ||
	    upload_all(pool, &installed, publication, &box, err) < 0 ||
	    write_manifest(pool, &box, err) < 0)
		return error_prefix(err, "cannot install the box '%s'", publication->name);
	*ret_box = box;
	box = (struct box){0};
	return 0;
}

/* A kernel may serve several builds of a box, so each volume is asked for by its own digest. */
static int delete_unused(virConnectPtr connection, virStoragePoolPtr pool, const char *volume,
			 struct error *err)
{
	_cleanup_free_ char *digest = text_dup_n(strchr(volume, '-') + 1, DIGEST_SHA256_LENGTH);
	_cleanup_list_ char **users = NULL;

	if (box_users(connection, pool, digest, &users, err) < 0)
		return -1;
	return users[0] ? 0 : pool_delete(pool, volume, err);
}

int box_unpublish(virConnectPtr connection, virStoragePoolPtr pool, const struct box *box,
		  struct error *err)
{
	const char *const volumes[] = {box->image, box->kernel, box->initrd};
	_cleanup_free_ char *manifest = manifest_name(box->name);
	_cleanup_box_list_ struct box_list installed = {0};

	if (pool_delete(pool, manifest, err) < 0 || box_list_load(pool, &installed, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(volumes); i++)
		if (volumes[i] && !box_list_uses(&installed, volumes[i], NULL) &&
		    delete_unused(connection, pool, volumes[i], err) < 0)
			return -1;
	return 0;
}
