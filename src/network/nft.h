/*
 * nftables through libnftables, in the current network namespace. Text in, text out.
 */
#ifndef NETWORK_NFT_H
#define NETWORK_NFT_H

#include "base/error.h"

/* Loads the commands in one transaction: all or nothing. EX_OSERR with nft's first complaint. */
MUST_CHECK int nft_load(const char *commands, struct error *err);

/*
 * What "list @what" prints, without counters: "ruleset", "table inet migrant". EX_OSERR, also when
 * it does not exist. The text is the caller's.
 */
MUST_CHECK int nft_list(const char *what, char **ret_text, struct error *err);

#endif
