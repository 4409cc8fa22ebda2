/*
 * Other firewalls of the host, which may drop what a sandbox is allowed to send.
 */
#ifndef NETWORK_FIREWALL_H
#define NETWORK_FIREWALL_H

#include <stdbool.h>

#include "base/strbuf.h"

/*
 * Looks through the text of `nft list ruleset` for tables, not ours, that drop forwarded packets
 * unless they know them and do not let ours pass; with @ipv6 also for those of IPv6 alone. Adds a
 * line for each, with the rule that helps. Pure.
 */
void firewall_blocks(const char *ruleset, bool ipv6, struct strbuf *lines);

#endif
