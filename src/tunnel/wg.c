/*
 * Talking to WireGuard by its own tool: what it prints has keys in it, so the buffer never moves,
 * and its complaints, which may quote what it was given, go nowhere.
 */
#include "tunnel/wg.h"

#include <string.h>

#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "tunnel/wireguard_state.h"
#include "tunnel/wireguard_values.h"

#define PROGRAM "wg"
#define TIMEOUT 10

static struct process prepared(const char *const *argv)
{
	struct process process = PROCESS_INIT;

	process.argv = argv;
	process.timeout = TIMEOUT;
	process.directory = "/";
	process.errors = PROCESS_NULL;
	return process;
}

/* Always -1. */
static int complain(const char *link, struct error *err)
{
	if (err->code == EX_UNAVAILABLE)
		return error_hint(err, "install the package wireguard-tools");
	if (err->code != EX_TEMPFAIL)
		error_set(err, EX_OSERR, PROGRAM " fails");
	return error_prefix(err, "the tunnel %s", link);
}

int wg_configure(const char *link, const struct wireguard *wireguard, struct error *err)
{
	const char *const argv[] = {PROGRAM, "setconf", link, "/dev/stdin", NULL};
	_cleanup_wireguard_text_ struct strbuf text = STRBUF_INIT;
	struct process process = prepared(argv);
	_cleanup_close_ int input = -1;

	wireguard_write_setconf(wireguard, true, &text);
	input = file_memory("wireguard", text.text, text.length);
	if (input < 0)
		return error_errno(err, EX_OSERR, "cannot make a memory file");
	process.input = input;
	return process_run(&process, err) < 0 ? complain(link, err) : 0;
}

int wg_dump(const char *link, struct strbuf *dump, struct error *err)
{
	const char *const argv[] = {PROGRAM, "show", link, "dump", NULL};
	struct process process = prepared(argv);

	strbuf_reserve(dump, WIREGUARD_DUMP_MAX);
	return process_capture(&process, WIREGUARD_DUMP_MAX, dump, err) < 0 ? complain(link, err)
									    : 0;
}

static const struct wireguard_peer *find_peer(const struct wireguard *wireguard, struct slice key)
{
	struct wireguard_key wanted;

	if (wireguard_key_parse(key.at, key.length, &wanted) < 0)
		return NULL;
	for (size_t i = 0; i < wireguard->peer_count; i++)
		if (memcmp(&wireguard->peers[i].public_key, &wanted, sizeof(wanted)) == 0)
			return &wireguard->peers[i];
	return NULL;
}

static int set_keepalive(const char *link, struct slice key, unsigned int seconds,
			 struct error *err)
{
	_cleanup_free_ char *number = text_format("%u", seconds);
	_cleanup_free_ char *peer = text_dup_n(key.at, key.length);
	const char *const argv[] = {PROGRAM, "set", link, "peer", peer, "persistent-keepalive",
				    number,  NULL};
	struct process process = prepared(argv);

	return process_run(&process, err) < 0 ? complain(link, err) : 0;
}

/* The columns of a peer, of which the first is its key: see wg(8). */
enum { KEY, HANDSHAKE = 4, KEEPALIVE = 7, COLUMNS };

int wg_settle(const char *link, const struct wireguard *wireguard, const struct strbuf *dump,
	      bool *ret_changed, struct error *err)
{
	struct slice rest = {strbuf_text(dump), dump->length};

	*ret_changed = false;
	slice_split(&rest, '\n'); /* the interface */
	while (rest.length) {
		struct slice line = slice_split(&rest, '\n'), columns[COLUMNS];
		const struct wireguard_peer *peer;

		for (size_t i = 0; i < COLUMNS; i++)
			columns[i] = slice_split(&line, '\t');
		peer = find_peer(wireguard, columns[KEY]);
		if (!peer || peer->keepalive || slice_is(columns[KEEPALIVE], "off") ||
		    slice_is(columns[HANDSHAKE], "0"))
			continue;
		if (set_keepalive(link, columns[KEY], peer->keepalive, err) < 0)
			return -1;
		*ret_changed = true;
	}
	return 0;
}
