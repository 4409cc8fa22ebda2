/*
 * Other firewalls of the host, which may drop what a sandbox is allowed to send.
 */
#ifndef NETWORK_FIREWALL_H
#define NETWORK_FIREWALL_H

#include "base/strbuf.h"

/*
 * Looks through the text of `nft list ruleset` for tables, not ours, that drop forwarded packets
 * unless they know them and do not let ours pass. Adds a line for each, with the rule that helps.
 * Pure.
 */
void firewall_blocks(const char *ruleset, struct strbuf *lines);

#endif
