/*
 * The sysctls of a gateway's namespace and of every link of a sandbox, on either side.
 */
#ifndef NETWORK_SETTINGS_H
#define NETWORK_SETTINGS_H

#include "base/error.h"
#include "base/strbuf.h"

/* All in the current network namespace. EX_OSERR. */
MUST_CHECK int settings_apply(const char *path, const char *value, struct error *err);
MUST_CHECK int settings_apply_inside(struct error *err);
MUST_CHECK int settings_apply_link(const char *link, struct error *err);

/*
 * IPv6 on one link, whose settings have been applied, and off again, which also takes its addresses
 * away; routing of IPv6 in the gateway's namespace.
 */
MUST_CHECK int settings_open_link6(const char *link, struct error *err);
MUST_CHECK int settings_close_link6(const char *link, struct error *err);
MUST_CHECK int settings_open_inside6(struct error *err);
MUST_CHECK int settings_close_inside6(struct error *err);

/* Adds a line "sysctl PATH VALUE" for each, as it is now. */
void settings_describe_inside(struct strbuf *output);
void settings_describe_link(const char *link, struct strbuf *output);
/* Adds one line: whether the link's packets are checked for a way back to their sender. */
void settings_describe_check(const char *link, struct strbuf *output);

#endif
