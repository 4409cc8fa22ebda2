/*
 * Checksums as people and vendors write them. Pure.
 */
#ifndef BOX_CHECKSUM_H
#define BOX_CHECKSUM_H

#include "box/digest.h"

/* "sha256:HEX" or "sha512:HEX". */
MUST_CHECK int checksum_parse(const char *text, struct digest *ret_digest);

/*
 * Finds the digest of @file in a file of checksums: lines "HEX  FILE", "HEX *FILE" or
 * "SHA256 (FILE) = HEX". A file that holds nothing but one HEX is that of any file. EX_DATAERR when
 * it is not there, or there twice with different values.
 */
MUST_CHECK int checksum_find(const char *text, const char *file, struct digest *ret_digest,
			     struct error *err);

#endif
