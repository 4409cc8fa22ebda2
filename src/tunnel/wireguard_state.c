/*
 * From the dump of wg(8), which is for scripts and has all keys in it, to a document that may be
 * shown. Only the columns that are wanted are ever copied.
 */
#include "tunnel/wireguard_state.h"

#include <json-c/json.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "tunnel/wireguard.h"
#include "tunnel/wireguard_values.h"

#define INTERFACE_COLUMNS 4
#define PEER_COLUMNS	  8

/* The columns of the dump, as wg(8) names them. */
enum { INTERFACE_PRIVATE, INTERFACE_PUBLIC, INTERFACE_PORT, INTERFACE_MARK };
enum {
	PEER_PUBLIC,
	PEER_PRESHARED,
	PEER_ENDPOINT,
	PEER_ALLOWED,
	PEER_HANDSHAKE,
	PEER_RECEIVED,
	PEER_SENT,
	PEER_KEEPALIVE
};

static bool split_columns(struct slice line, struct slice *columns, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!line.length)
			return false;
		columns[i] = slice_split(&line, '\t');
	}
	return !line.length;
}

static int add_key(json_object *root, struct slice column)
{
	struct wireguard_key key;

	if (wireguard_key_parse(column.at, column.length, &key) < 0)
		return -1;
	json_object_object_add(root, "public_key",
			       json_object_new_string_len(column.at, (int)column.length));
	return 0;
}

/* @none is the text for "there is none". */
static int add_number(json_object *root, const char *name, struct slice column, const char *none)
{
	_cleanup_free_ char *text = text_dup_n(column.at, column.length);
	uint64_t number;

	if (text_equal(text, none)) {
		json_object_object_add(root, name, NULL);
		return 0;
	}
	if (parse_number(text, 0, INT64_MAX, &number) < 0)
		return -1;
	json_object_object_add(root, name, json_object_new_int64((int64_t)number));
	return 0;
}

static int add_endpoint(json_object *root, struct slice column)
{
	if (column.length >= WIREGUARD_ENDPOINT_TEXT_MAX)
		return -1;
	json_object_object_add(root, "endpoint",
			       slice_is(column, "(none)")
				       ? NULL
				       : json_object_new_string_len(column.at, (int)column.length));
	return 0;
}

static int add_allowed(json_object *root, struct slice column)
{
	json_object *list = json_object_new_array();

	json_object_object_add(root, "allowed_ips", list);
	if (slice_is(column, "(none)"))
		return 0;
	while (column.length) {
		struct slice item = slice_split(&column, ',');
		_cleanup_free_ char *text = text_dup_n(item.at, item.length);
		struct prefix prefix;

		if (parse_prefix(text, &prefix) < 0)
			return -1;
		json_object_array_add(list, json_object_new_string(text));
	}
	return 0;
}

static int add_peer(json_object *peers, struct slice line)
{
	json_object *peer = json_object_new_object();
	struct slice columns[PEER_COLUMNS];

	json_object_array_add(peers, peer);
	if (!split_columns(line, columns, PEER_COLUMNS) ||
	    add_key(peer, columns[PEER_PUBLIC]) < 0 ||
	    add_endpoint(peer, columns[PEER_ENDPOINT]) < 0 ||
	    add_allowed(peer, columns[PEER_ALLOWED]) < 0 ||
	    add_number(peer, "latest_handshake", columns[PEER_HANDSHAKE], "0") < 0 ||
	    add_number(peer, "received_bytes", columns[PEER_RECEIVED], NULL) < 0 ||
	    add_number(peer, "sent_bytes", columns[PEER_SENT], NULL) < 0)
		return -1;
	return add_number(peer, "keepalive", columns[PEER_KEEPALIVE], "off");
}

static int add_all(json_object *root, struct slice dump)
{
	struct slice columns[INTERFACE_COLUMNS];
	json_object *peers = json_object_new_array();

	json_object_object_add(root, "peers", peers);
	if (!split_columns(slice_split(&dump, '\n'), columns, INTERFACE_COLUMNS) ||
	    add_key(root, columns[INTERFACE_PUBLIC]) < 0 ||
	    add_number(root, "listen_port", columns[INTERFACE_PORT], "0") < 0)
		return -1;
	while (dump.length)
		if (add_peer(peers, slice_split(&dump, '\n')) < 0)
			return -1;
	return 0;
}

int wireguard_state_format(const char *dump, size_t length, const char *interface,
			   const char *backend, char **ret_json, struct error *err)
{
	json_object *root = json_object_new_object();
	int result;

	json_object_object_add(root, "interface", json_object_new_string(interface));
	json_object_object_add(root, "backend", json_object_new_string(backend));
	result = add_all(root, (struct slice){dump, length});
	if (result == 0)
		*ret_json = text_dup(json_object_to_json_string_ext(
			root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		error_set(err, EX_SOFTWARE, "what wg says of %s is not understood", interface);
	json_object_put(root);
	return result;
}
