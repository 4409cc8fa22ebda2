/*
 * SHA-2 digests of files, as lower-case hex.
 */
#ifndef BOX_DIGEST_H
#define BOX_DIGEST_H

#include <openssl/types.h>
#include <stdint.h>

#include "base/error.h"

enum digest_kind { DIGEST_SHA256, DIGEST_SHA512 };

#define DIGEST_TEXT_MAX	     129 /* hex of SHA-512 and a NUL */
#define DIGEST_SHA256_LENGTH 64	 /* hex digits */
#define DIGEST_SHA512_LENGTH 128

struct digest {
	enum digest_kind kind;
	char text[DIGEST_TEXT_MAX];
};

/* Hex digits of either case and of the right number; kept in lower case. */
MUST_CHECK int digest_parse(const char *hex, size_t length, struct digest *ret_digest);

/* Digest of all of @fd, read by position. *ret_length (optional) is its length in bytes. */
MUST_CHECK int digest_file(int fd, enum digest_kind kind, struct digest *ret_digest,
			   uint64_t *ret_length, struct error *err);

/* Digest of @length bytes. */
MUST_CHECK int digest_bytes(const void *bytes, size_t length, enum digest_kind kind,
			    struct digest *ret_digest, struct error *err);

/* Digest of what was put into @context, which computes one of @kind. */
MUST_CHECK int digest_finish(EVP_MD_CTX *context, enum digest_kind kind, struct digest *ret_digest,
			     struct error *err);

bool digest_equal(const struct digest *a, const struct digest *b);

/* "sha256" or "sha512". */
const char *digest_name(enum digest_kind kind);

#endif
