/*
 * A limit on what a program may print.
 */
#ifndef SHARE_MUFFLE_H
#define SHARE_MUFFLE_H

#include <stddef.h>

#include "base/error.h"

/*
 * From now on stdout and stderr of this process take @max bytes together, and what comes then is
 * dropped. A process of its own passes them on; it ends with the last that holds them. EX_OSERR.
 */
MUST_CHECK int muffle(size_t max, struct error *err);

#endif
