/*
 * The cut is a table of its own, before all others, that drops whatever comes into the namespace
 * and whatever is sent there. It is loaded and deleted in one transaction each, so no link, address
 * or rule of the gateway changes and all of it is there again afterwards. It can only close: that
 * it is there is no drift of the isolation.
 */
#include "network/cut.h"

#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"
#include "network/gateway.h"
#include "network/netns.h"
#include "network/nft.h"

#define TABLE  "table inet migrant_cut"
#define REMOVE TABLE "\ndelete " TABLE "\n"

extern const char template_cut[]; /* templates/cut.nft, which is as nft prints it */

const char *cut_find(const char *listing, size_t *ret_length)
{
	const char *found = strstr(listing, template_cut);

	if (!found || (found != listing && found[-1] != '\n'))
		return NULL;
	*ret_length = strlen(template_cut);
	return found;
}

static int enter(const char *name, struct netns_scope *scope, struct error *err)
{
	_cleanup_free_ char *netns = gateway_netns(name);
	_cleanup_close_ int fd = -1;

	if (netns_open(netns, &fd, err) < 0)
		return -1;
	if (fd < 0)
		return error_set(err, EX_NOINPUT, "the namespace %s is gone", netns);
	return netns_enter(scope, fd, err);
}

static int load(const char *name, const char *commands, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;

	if (enter(name, &scope, err) < 0)
		return -1;
	return nft_load(commands, err);
}

int gateway_cut(const char *name, struct error *err)
{
	_cleanup_free_ char *commands = text_format(REMOVE "%s", template_cut);

	return load(name, commands, err);
}

int gateway_join(const char *name, struct error *err)
{
	return load(name, REMOVE, err);
}

int gateway_is_cut(const char *name, bool *ret_cut, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	_cleanup_free_ char *rules = NULL;

	*ret_cut = false;
	if (enter(name, &scope, err) < 0) {
		if (err->code != EX_NOINPUT)
			return -1;
		error_done(err); /* a namespace that is gone is told as that */
		return 0;
	}
	if (nft_list("ruleset", &rules, err) < 0)
		return -1;
	*ret_cut = strstr(rules, TABLE " {");
	return 0;
}
