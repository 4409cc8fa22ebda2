/*
 * The thin layer over libnftables, so that nothing else deals with its buffers.
 */
#include "network/nft.h"

#include <nftables/libnftables.h>

#include "base/text.h"

static void free_context(struct nft_ctx **context)
{
	if (*context)
		nft_ctx_free(*context);
}

/* The first line of nft's complaint. */
static int complain(struct nft_ctx *context, const char *what, struct error *err)
{
	const char *text = nft_ctx_get_error_buffer(context);
	size_t length = text ? strcspn(text, "\n") : 0;

	if (!length)
		return error_set(err, EX_OSERR, "%s failed", what);
	return error_set(err, EX_OSERR, "%s: %.*s", what, (int)length, text);
}

static int run(const char *commands, const char *what, char **ret_text, struct error *err)
{
	_cleanup_(free_context) struct nft_ctx *context = nft_ctx_new(NFT_CTX_DEFAULT);

	if (!context || nft_ctx_buffer_output(context) || nft_ctx_buffer_error(context))
		return error_set(err, EX_OSERR, "cannot talk to nftables");
	nft_ctx_output_set_flags(context, NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_NUMERIC_PRIO);
	if (nft_run_cmd_from_buffer(context, commands))
		return complain(context, what, err);
	if (ret_text)
		*ret_text = text_dup(nft_ctx_get_output_buffer(context));
	return 0;
}

int nft_load(const char *commands, struct error *err)
{
	return run(commands, "cannot load the rules", NULL, err);
}

int nft_list(const char *what, char **ret_text, struct error *err)
{
	_cleanup_free_ char *command = text_format("list %s", what);

	return run(command, "cannot list the rules", ret_text, err);
}
