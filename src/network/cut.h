/*
 * Cutting a running sandbox off: nothing passes its gateway any more, in no direction, open
 * connections included; and connecting it again. What else the gateway is stays as it is.
 */
#ifndef NETWORK_CUT_H
#define NETWORK_CUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Idempotent. EX_NOINPUT when the gateway is not there, EX_OSERR. */
MUST_CHECK int gateway_cut(const char *name, struct error *err);
MUST_CHECK int gateway_join(const char *name, struct error *err);

/* *ret_cut: whether it is. Errors as above. */
MUST_CHECK int gateway_is_cut(const char *name, bool *ret_cut, struct error *err);

/*
 * Where in @listing, as nft prints a rule set, the cut stands; *ret_length is its length. NULL: not
 * there, or not exactly as it was loaded. Pure.
 */
const char *cut_find(const char *listing, size_t *ret_length);

#endif
