/*
 * Digests by libcrypto's EVP interface.
 */
#include "box/digest.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/text.h"

#define CHUNK (1024 * 1024)

static void cleanup_context(EVP_MD_CTX **context)
{
	EVP_MD_CTX_free(*context);
}
#define _cleanup_context_ _cleanup_(cleanup_context)

int digest_parse(const char *hex, size_t length, struct digest *ret_digest)
{
	struct digest digest = {.kind = length == DIGEST_SHA512_LENGTH ? DIGEST_SHA512
								       : DIGEST_SHA256};

	if (length != DIGEST_SHA256_LENGTH && length != DIGEST_SHA512_LENGTH)
		return -1;
	for (size_t i = 0; i < length; i++) {
		if (!isxdigit((unsigned char)hex[i]))
			return -1;
		digest.text[i] = (char)tolower((unsigned char)hex[i]);
	}
	*ret_digest = digest;
	return 0;
}

static int update_all(int fd, EVP_MD_CTX *context, uint64_t *ret_length, struct error *err)
{
	_cleanup_free_ unsigned char *chunk = xcalloc(1, CHUNK);
	uint64_t done = 0;

	for (;;) {
		ssize_t got = pread(fd, chunk, CHUNK, (off_t)done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(err, EX_IOERR, "cannot read");
		if (interrupt_pending())
			return interrupt_error(err);
		if (got == 0)
			break;
		if (EVP_DigestUpdate(context, chunk, (size_t)got) != 1)
			return error_set(err, EX_SOFTWARE, "libcrypto cannot compute a digest");
		done += (uint64_t)got;
	}
	*ret_length = done;
	return 0;
}

static void write_hex(const unsigned char *bytes, unsigned int size, struct digest *digest)
{
	for (unsigned int i = 0; i < size; i++)
		snprintf(digest->text + (size_t)2 * i, 3, "%02x", bytes[i]);
}

int digest_bytes(const void *bytes, size_t length, enum digest_kind kind, struct digest *ret_digest,
		 struct error *err)
{
	const EVP_MD *type = kind == DIGEST_SHA512 ? EVP_sha512() : EVP_sha256();
	struct digest digest = {.kind = kind};
	unsigned char result[EVP_MAX_MD_SIZE];
	unsigned int size = 0;

	if (EVP_Digest(bytes, length, result, &size, type, NULL) != 1)
		return error_set(err, EX_SOFTWARE, "libcrypto cannot compute a digest");
	write_hex(result, size, &digest);
	*ret_digest = digest;
	return 0;
}

int digest_finish(EVP_MD_CTX *context, enum digest_kind kind, struct digest *ret_digest,
		  struct error *err)
{
	struct digest digest = {.kind = kind};
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned int size = 0;

	if (EVP_DigestFinal_ex(context, bytes, &size) != 1)
		return error_set(err, EX_SOFTWARE, "libcrypto cannot compute a digest");
	write_hex(bytes, size, &digest);
	*ret_digest = digest;
	return 0;
}

int digest_file(int fd, enum digest_kind kind, struct digest *ret_digest, uint64_t *ret_length,
		struct error *err)
{
	_cleanup_context_ EVP_MD_CTX *context = EVP_MD_CTX_new();
	const EVP_MD *type = kind == DIGEST_SHA512 ? EVP_sha512() : EVP_sha256();
	uint64_t length = 0;

	if (!context || EVP_DigestInit_ex(context, type, NULL) != 1)
		return error_set(err, EX_SOFTWARE, "libcrypto cannot compute a digest");
	if (update_all(fd, context, &length, err) < 0 ||
	    digest_finish(context, kind, ret_digest, err) < 0)
		return -1;
	if (ret_length)
		*ret_length = length;
	return 0;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return a->kind == b->kind && text_equal(a->text, b->text);
}

const char *digest_name(enum digest_kind kind)
{
	return kind == DIGEST_SHA512 ? "sha512" : "sha256";
}
