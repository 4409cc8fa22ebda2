/*
 * The storage pool through libvirt's API, as the unprivileged user: no path below the pool's
 * directory is opened here, so that rights and labels stay libvirt's business.
 *
 * Volumes cannot be renamed through that API. What must not be seen half-written is therefore found
 * through an index entry written last (a box's manifest), and a volume whose upload fails or is
 * interrupted is deleted again. A kill -9 leaves one that nothing refers to, which the next upload
 * of the same name or `box prune` takes away.
 */
#include "box/pool.h"

#include <libvirt/virterror.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"
#include "domain/libvirt.h"

#define CHUNK (256 * 1024)

static void cleanup_volume(virStorageVolPtr *volume)
{
	if (*volume)
		virStorageVolFree(*volume);
}
#define _cleanup_volume_ _cleanup_(cleanup_volume)

static void cleanup_stream(virStreamPtr *stream)
{
	if (*stream)
		virStreamFree(*stream);
}
#define _cleanup_stream_ _cleanup_(cleanup_stream)

/* What is uploaded: bytes in memory, or a file from its start. */
struct source {
	const char *bytes; /* NULL: read from fd */
	int fd;
	uint64_t length;
	const char *what; /* shown as progress, or NULL */
};

int pool_open(virConnectPtr connection, virStoragePoolPtr *ret_pool, struct error *err)
{
	_cleanup_pool_ virStoragePoolPtr pool = virStoragePoolLookupByName(connection, POOL_NAME);

	if (!pool) {
		libvirt_error(err, EX_UNAVAILABLE, "cannot open the storage pool '" POOL_NAME "'");
		return error_hint(err, "run: sudo migrant setup");
	}
	/* of several who start it at once, all but one fail */
	if (virStoragePoolIsActive(pool) != 1 && virStoragePoolCreate(pool, 0) < 0 &&
	    virStoragePoolIsActive(pool) != 1) {
		libvirt_error(err, EX_UNAVAILABLE, "cannot start the storage pool '" POOL_NAME "'");
		return error_hint(err, "run: sudo migrant setup");
	}
	*ret_pool = take_ptr(pool);
	return 0;
}

char *pool_path(const char *name)
{
	return text_format(POOL_DIRECTORY "/%s", name);
}

/* libvirt answers from its cache; GetInfo looks at the file and fails when it is gone. */
static bool volume_exists(virStorageVolPtr volume)
{
	virStorageVolInfo info;

	return virStorageVolGetInfo(volume, &info) == 0;
}

/* The volume, or NULL: neither known nor there after a look at the directory. */
static virStorageVolPtr find_volume(virStoragePoolPtr pool, const char *name)
{
	_cleanup_volume_ virStorageVolPtr volume = virStorageVolLookupByName(pool, name);

	if (volume && volume_exists(volume))
		return take_ptr(volume);
	virStoragePoolRefresh(pool, 0); /* refused while another upload runs: the cache must do */
	cleanup_volume(&volume);
	volume = virStorageVolLookupByName(pool, name);
	if (volume && !volume_exists(volume))
		return NULL;
	return take_ptr(volume);
}

bool pool_has(virStoragePoolPtr pool, const char *name)
{
	_cleanup_volume_ virStorageVolPtr volume = find_volume(pool, name);

	return volume != NULL;
}

static bool is_absent(void)
{
	virErrorPtr error = virGetLastError();

	return error && error->code == VIR_ERR_NO_STORAGE_VOL;
}

int pool_delete(virStoragePoolPtr pool, const char *name, struct error *err)
{
	_cleanup_volume_ virStorageVolPtr volume = find_volume(pool, name);

	if (!volume || virStorageVolDelete(volume, 0) == 0 || is_absent())
		return 0;
	libvirt_error(err, EX_IOERR, "cannot delete a volume");
	return error_prefix(err, "%s", name);
}

/* Fills @chunk or points into memory. Bytes got, or -1 with errno. */
static ssize_t next_bytes(const struct source *source, uint64_t at, char *chunk,
			  const char **ret_bytes)
{
	uint64_t left = source->length - at;
	size_t want = left < CHUNK ? (size_t)left : CHUNK;
	ssize_t got = (ssize_t)want;

	if (source->bytes) {
		*ret_bytes = source->bytes + at;
		return got;
	}
	*ret_bytes = chunk;
	got = pread(source->fd, chunk, want, (off_t)at);
	if (got == 0)
		errno = ENODATA; /* it became shorter while we read */
	return got > 0 ? got : -1;
}

static int send_chunk(virStreamPtr stream, const char *bytes, size_t length)
{
	while (length) {
		int sent = virStreamSend(stream, bytes, length);

		if (sent < 0)
			return -1;
		bytes += sent;
		length -= (size_t)sent;
	}
	return 0;
}

static int send_all(virStreamPtr stream, const struct source *source, struct error *err)
{
	_cleanup_free_ char *chunk = xcalloc(1, CHUNK);
	struct progress progress;
	const char *bytes;

	if (source->what)
		progress_begin(&progress, source->what, source->length);
	for (uint64_t done = 0; done < source->length;) {
		ssize_t got = next_bytes(source, done, chunk, &bytes);

		if (got < 0)
			return error_errno(err, EX_IOERR, "cannot read what is to be stored");
		if (interrupt_pending())
			return interrupt_error(err);
		if (send_chunk(stream, bytes, (size_t)got) < 0)
			return libvirt_error(err, EX_IOERR, "cannot store");
		done += (uint64_t)got;
		if (source->what)
			progress_update(&progress, done);
	}
	if (virStreamFinish(stream) < 0)
		return libvirt_error(err, EX_IOERR, "cannot store");
	if (source->what)
		progress_end(&progress);
	return 0;
}

static int upload(virStoragePoolPtr pool, virStorageVolPtr volume, const struct source *source,
		  struct error *err)
{
	_cleanup_stream_ virStreamPtr stream = virStreamNew(virStoragePoolGetConnect(pool), 0);

	if (!stream || virStorageVolUpload(volume, stream, 0, source->length, 0) < 0)
		return libvirt_error(err, EX_IOERR, "cannot store");
	if (send_all(stream, source, err) < 0) {
		virStreamAbort(stream);
		return -1;
	}
	return 0;
}

static virStorageVolPtr make_volume(virStoragePoolPtr pool, const struct volume *description,
				    struct error *err)
{
	_cleanup_free_ char *xml = volume_xml(description);
	virStorageVolPtr volume = virStorageVolCreateXML(pool, xml, 0);

	if (!volume)
		libvirt_error(err, EX_CANTCREAT, "cannot make the volume");
	return volume;
}

static int fill_new(virStoragePoolPtr pool, const struct volume *description,
		    const struct source *source, struct error *err)
{
	_cleanup_volume_ virStorageVolPtr volume = make_volume(pool, description, err);

	if (!volume)
		return -1;
	if (source->length == 0 || upload(pool, volume, source, err) == 0)
		return 0;
	virStorageVolDelete(volume, 0);
	return -1;
}

/* Makes the volume and fills it; a failure or a signal leaves none. */
static int store_described(virStoragePoolPtr pool, const struct volume *description,
			   const struct source *source, struct error *err)
{
	struct interrupt interrupt = interrupt_hold();
	int result = fill_new(pool, description, source, err);

	interrupt_release(&interrupt);
	return result;
}

static int store_new(virStoragePoolPtr pool, const char *name, const struct source *source,
		     unsigned int mode, struct error *err)
{
	const struct volume description = {
		.name = name, .format = "raw", .capacity = source->length, .mode = mode};

	return store_described(pool, &description, source, err);
}

int pool_store_for_group(virStoragePoolPtr pool, const char *name, int fd, uint64_t length,
			 unsigned int group, struct error *err)
{
	const struct source source = {.fd = fd, .length = length};
	const struct volume description = {
		.name = name, .format = "raw", .capacity = length, .mode = 0440, .group = group};

	if (store_described(pool, &description, &source, err) < 0)
		return error_prefix(err, "%s", name);
	return 0;
}

int pool_store_fd(virStoragePoolPtr pool, const char *name, int fd, uint64_t length,
		  unsigned int mode, const char *what, struct error *err)
{
	const struct source source = {.fd = fd, .length = length, .what = what};

	if (store_new(pool, name, &source, mode, err) < 0)
		return error_prefix(err, "%s", name);
	return 0;
}

/*
 * An existing volume of the same length is overwritten in place: for a manifest, which is one
 * write, there is no moment without it. Any other length takes a new volume.
 */
static int store_over(virStoragePoolPtr pool, const char *name, const struct source *source,
		      unsigned int mode, struct error *err)
{
	_cleanup_volume_ virStorageVolPtr volume = find_volume(pool, name);
	virStorageVolInfo info;

	if (volume && virStorageVolGetInfo(volume, &info) == 0 && info.capacity == source->length)
		return upload(pool, volume, source, err);
	if (volume && pool_delete(pool, name, err) < 0)
		return -1;
	return store_new(pool, name, source, mode, err);
}

int pool_store(virStoragePoolPtr pool, const char *name, const void *bytes, size_t length,
	       unsigned int mode, bool replace, struct error *err)
{
	const struct source source = {.bytes = bytes, .fd = -1, .length = length};
	int result = replace ? store_over(pool, name, &source, mode, err)
			     : store_new(pool, name, &source, mode, err);

	return result < 0 ? error_prefix(err, "%s", name) : 0;
}

static int receive_all(virStreamPtr stream, char *text, size_t length, struct error *err)
{
	for (size_t done = 0; done < length;) {
		int got = virStreamRecv(stream, text + done, length - done);

		if (got < 0)
			return libvirt_error(err, EX_IOERR, "cannot read");
		if (got == 0)
			return error_set(err, EX_IOERR, "it ended after %zu of %zu bytes", done,
					 length);
		done += (size_t)got;
	}
	if (virStreamFinish(stream) < 0)
		return libvirt_error(err, EX_IOERR, "cannot read");
	return 0;
}

static int download(virStoragePoolPtr pool, virStorageVolPtr volume, size_t length, char *text,
		    struct error *err)
{
	_cleanup_stream_ virStreamPtr stream = virStreamNew(virStoragePoolGetConnect(pool), 0);

	if (!stream || virStorageVolDownload(volume, stream, 0, length, 0) < 0)
		return libvirt_error(err, EX_IOERR, "cannot read");
	if (receive_all(stream, text, length, err) < 0) {
		virStreamAbort(stream);
		return -1;
	}
	return 0;
}

int pool_load(virStoragePoolPtr pool, const char *name, size_t max, char **ret_text,
	      size_t *ret_length, struct error *err)
{
	_cleanup_volume_ virStorageVolPtr volume = find_volume(pool, name);
	_cleanup_free_ char *text = NULL;
	virStorageVolInfo info;

	if (!volume)
		return error_set(err, EX_NOINPUT, "%s: no such volume", name);
	if (virStorageVolGetInfo(volume, &info) < 0)
		return libvirt_error(err, EX_IOERR, name);
	if (info.capacity > max)
		return error_set(err, EX_DATAERR, "%s: larger than %zu bytes", name, max);
	text = xcalloc((size_t)info.capacity + 1, 1);
	if (info.capacity && download(pool, volume, (size_t)info.capacity, text, err) < 0)
		return error_prefix(err, "%s", name);
	if (ret_length)
		*ret_length = (size_t)info.capacity;
	*ret_text = take_ptr(text);
	return 0;
}

/* An overlay that is smaller than its base would show the guest a disk that is cut off. */
static int choose_capacity(virStoragePoolPtr pool, const char *base, uint64_t *capacity,
			   struct error *err)
{
	_cleanup_volume_ virStorageVolPtr volume = find_volume(pool, base);
	virStorageVolInfo info;

	if (!volume)
		return error_set(err, EX_NOINPUT, "%s: no such volume", base);
	if (virStorageVolGetInfo(volume, &info) < 0)
		return libvirt_error(err, EX_IOERR, base);
	if (*capacity == 0)
		*capacity = info.capacity;
	if (*capacity < info.capacity)
		return error_set(err, EX_CONFIG,
				 "a disk of %llu MiB is too small for a box of %llu MiB",
				 (unsigned long long)(*capacity >> 20),
				 (unsigned long long)(info.capacity >> 20));
	return 0;
}

int pool_make_overlay(virStoragePoolPtr pool, const char *name, const char *base,
		      const char *base_format, uint64_t capacity, struct error *err)
{
	_cleanup_free_ char *path = pool_path(base);
	struct volume description = {
		.name = name,
		.format = "qcow2",
		.capacity = capacity,
		.mode = 0600,
		.backing_path = path,
		.backing_format = base_format,
	};
	_cleanup_volume_ virStorageVolPtr volume = NULL;

	if (choose_capacity(pool, base, &description.capacity, err) < 0)
		return -1;
	volume = make_volume(pool, &description, err);
	return volume ? 0 : error_prefix(err, "%s", name);
}

int pool_copy(virStoragePoolPtr pool, const char *name, const char *source, unsigned int mode,
	      struct error *err)
{
	_cleanup_volume_ virStorageVolPtr from = find_volume(pool, source);
	_cleanup_volume_ virStorageVolPtr volume = NULL;
	struct volume description = {.name = name, .format = "raw", .mode = mode};
	_cleanup_free_ char *xml = NULL;
	virStorageVolInfo info;

	if (!from)
		return error_set(err, EX_NOINPUT, "%s: no such volume", source);
	if (virStorageVolGetInfo(from, &info) < 0)
		return libvirt_error(err, EX_IOERR, source);
	description.capacity = info.capacity;
	xml = volume_xml(&description);
	volume = virStorageVolCreateXMLFrom(pool, xml, from, 0);
	return volume ? 0 : libvirt_error(err, EX_CANTCREAT, name);
}

int pool_examine(virStoragePoolPtr pool, const char *name, struct volume_facts *ret_facts,
		 struct error *err)
{
	_cleanup_volume_ virStorageVolPtr volume = find_volume(pool, name);
	_cleanup_free_ char *xml = NULL;

	if (!volume)
		return error_set(err, EX_NOINPUT, "%s: no such volume", name);
	xml = virStorageVolGetXMLDesc(volume, 0);
	if (!xml)
		return libvirt_error(err, EX_IOERR, name);
	return volume_parse(xml, ret_facts, err);
}

static void list_append(char ***list, size_t *count, const char *name)
{
	*list = xreallocarray(*list, *count + 2, sizeof(**list));
	(*list)[(*count)++] = text_dup(name);
	(*list)[*count] = NULL;
}

int pool_list(virStoragePoolPtr pool, const char *prefix, char ***ret_names, struct error *err)
{
	virStorageVolPtr *volumes = NULL;
	char **names = xcalloc(1, sizeof(*names));
	size_t count = 0;
	int found;

	virStoragePoolRefresh(pool, 0); /* refused while an upload runs: the cache must do */
	found = virStoragePoolListAllVolumes(pool, &volumes, 0);
	if (found < 0) {
		free_list(names);
		return libvirt_error(err, EX_IOERR, "cannot list the volumes of the pool");
	}
	for (int i = 0; i < found; i++) {
		const char *name = virStorageVolGetName(volumes[i]);

		if (name && text_starts(name, prefix))
			list_append(&names, &count, name);
		virStorageVolFree(volumes[i]);
	}
	free(volumes);
	*ret_names = names;
	return 0;
}
