/*
 * Signatures of vendors on their files of checksums.
 */
#ifndef BOX_SIGNATURE_H
#define BOX_SIGNATURE_H

#include "base/strbuf.h"
#include "box/description.h"

/*
 * Reads @fd, a file of checksums of at most @max bytes, into @text after its signature was checked
 * as
 * @description says. Where the description asks for a signature and this host lacks gpgv or the
 * vendor's keyring, says so and goes on with what https vouches for. EX_DATAERR when the signature
 * is wrong.
 */
MUST_CHECK int signature_check(int fd, const struct description *description, size_t max,
			       struct strbuf *text, struct error *err);

#endif
