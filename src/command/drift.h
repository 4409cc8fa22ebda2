/*
 * Whether a running sandbox is still what was promised.
 */
#ifndef COMMAND_DRIFT_H
#define COMMAND_DRIFT_H

#include "base/strbuf.h"
#include "command/project.h"

/*
 * What differs, one text per item, NULL-terminated; empty: nothing. EX_UNAVAILABLE when the helper
 * cannot be asked. The caller frees with free_list().
 */
MUST_CHECK int drift_find(const struct project *project, char ***ret_list, struct error *err);

/* EX_SOFTWARE, naming what differs, when anything does. */
MUST_CHECK int drift_check(const struct project *project, struct error *err);

#endif
