/*
 * A volume's file as it is, byte by byte, through libvirt: who uses the pool has no right to open
 * what lies in it.
 */
#include <libvirt/virterror.h>
#include <openssl/evp.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "box/digest.h"
#include "box/pool.h"
#include "domain/libvirt.h"

#define CHUNK (256 * 1024)

/* Where the bytes go: to @fd (-1: nowhere), and into a digest (NULL: none). */
struct sink {
	int fd;
	EVP_MD_CTX *context;
};

static void cleanup_volume(virStorageVolPtr *volume)
{
	if (*volume)
		virStorageVolFree(*volume);
}
#define _cleanup_volume_ _cleanup_(cleanup_volume)

static void cleanup_context(EVP_MD_CTX **context)
{
	EVP_MD_CTX_free(*context);
}
#define _cleanup_context_ _cleanup_(cleanup_context)

static int take(const struct sink *sink, const char *bytes, size_t length, struct error *err)
{
	if (sink->fd >= 0 && file_write_fd(sink->fd, bytes, length) < 0)
		return error_errno(err, EX_IOERR, "cannot keep what was read");
	if (sink->context && EVP_DigestUpdate(sink->context, bytes, length) != 1)
		return error_set(err, EX_SOFTWARE, "libcrypto cannot compute a digest");
	return 0;
}

static int receive_all(virStreamPtr stream, const struct sink *sink, struct error *err)
{
	_cleanup_free_ char *chunk = xcalloc(1, CHUNK);

	for (;;) {
		int got = virStreamRecv(stream, chunk, CHUNK);

		if (got < 0)
			return libvirt_error(err, EX_IOERR, "cannot read");
		if (got == 0)
			break;
		if (interrupt_pending())
			return interrupt_error(err);
		if (take(sink, chunk, (size_t)got, err) < 0)
			return -1;
	}
	if (virStreamFinish(stream) < 0)
		return libvirt_error(err, EX_IOERR, "cannot read");
	return 0;
}

static int receive(virStoragePoolPtr pool, virStorageVolPtr volume, const struct sink *sink,
		   struct error *err)
{
	virStreamPtr stream = virStreamNew(virStoragePoolGetConnect(pool), 0);
	int result = -1;

	if (!stream || virStorageVolDownload(volume, stream, 0, 0, 0) < 0)
		libvirt_error(err, EX_IOERR, "cannot read");
	else
		result = receive_all(stream, sink, err);
	if (stream && result < 0)
		virStreamAbort(stream);
	if (stream)
		virStreamFree(stream);
	return result;
}

static int transfer(virStoragePoolPtr pool, const char *name, const struct sink *sink,
		    struct error *err)
{
	_cleanup_volume_ virStorageVolPtr volume = virStorageVolLookupByName(pool, name);

	if (!volume)
		return error_set(err, EX_NOINPUT, "%s: no such volume", name);
	return receive(pool, volume, sink, err) < 0 ? error_prefix(err, "%s", name) : 0;
}

int pool_fetch(virStoragePoolPtr pool, const char *name, int fd, struct error *err)
{
	const struct sink sink = {.fd = fd};

	return transfer(pool, name, &sink, err);
}

int pool_digest(virStoragePoolPtr pool, const char *name, char **ret_digest, struct error *err)
{
	_cleanup_context_ EVP_MD_CTX *context = EVP_MD_CTX_new();
	const struct sink sink = {.fd = -1, .context = context};
	struct digest digest;

	if (!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
		return error_set(err, EX_SOFTWARE, "libcrypto cannot compute a digest");
	if (transfer(pool, name, &sink, err) < 0 ||
	    digest_finish(context, DIGEST_SHA256, &digest, err) < 0)
		return -1;
	*ret_digest = text_dup(digest.text);
	return 0;
}
