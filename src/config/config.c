/*
 * Walks the Migrantfile's tree along the key table and fills struct config. Pure: what has to look
 * at the machine is in load.c.
 */
#include "config/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "config/grammar.h"
#include "config/keys.h"
#include "config/reader.h"
#include "config/source.h"

#define SHARE_PATH_MAX 1023 /* as the root side has it, see share_validate() */

static int unknown_key(const struct reader *reader, enum config_key_id parent,
		       const struct node *name, struct error *err)
{
	const char *guess = key_guess(parent, name->text);

	source_error(reader->source, name->position, err, "unknown key '%s%s%s'",
		     parent == KEY_COUNT ? "" : config_keys[parent].path,
		     parent == KEY_COUNT ? "" : ".", name->text);
	return guess ? error_hint(err, "did you mean '%s'?", guess) : -1;
}

/* The share's host path in its one clean form, so that comparing paths means something. */
static int clean_share(const struct reader *reader, struct config_share *share, struct error *err)
{
	const char *reason = NULL;
	char *clean = inner_path(share->host, &reason);

	if (!clean)
		return source_error(reader->source, share->host_position, err, "%s", reason);
	free(share->host);
	share->host = clean;
	if (strlen(clean) > SHARE_PATH_MAX)
		return source_error(reader->source, share->host_position, err,
				    "a share's path has at most %d bytes", SHARE_PATH_MAX);
	return 0;
}

static int read_share(const struct reader *reader, const struct node *item, struct error *err)
{
	struct config *config = reader->config;
	struct config_share *share;

	config->shares = xreallocarray(config->shares, config->share_count + 1, sizeof(*share));
	share = &config->shares[config->share_count++];
	*share = (struct config_share){.position = item->position};
	if (read_map(reader, KEY_SHARES, item, share, err) < 0)
		return -1;
	share->host_position = node_find(item, "host")->position;
	share->guest_position = node_find(item, "guest")->position;
	return clean_share(reader, share, err);
}

/* An item of a TYPE_MAPS or TYPE_LIST key. */
static int read_list_item(const struct reader *reader, enum config_key_id key,
			  const struct node *item, struct error *err)
{
	if (config_keys[key].type == TYPE_LIST)
		return read_item(reader, key, item, err);
	if (item->kind != NODE_MAP)
		return source_error(reader->source, item->position, err,
				    "an item of '%s' is a mapping, not %s", config_keys[key].path,
				    node_kind_text(item->kind));
	return key == KEY_SHARES ? read_share(reader, item, err)
				 : read_provisioner(reader, item, err);
}

static int read_list(const struct reader *reader, enum config_key_id key, const struct node *list,
		     struct error *err)
{
	if (expect_kind(reader, key, list, NODE_LIST, err) < 0)
		return -1;
	if (list->count > config_keys[key].max)
		return source_error(reader->source, list->items[config_keys[key].max]->position,
				    err, "'%s' has at most %llu items", config_keys[key].path,
				    (unsigned long long)config_keys[key].max);
	for (size_t i = 0; i < list->count; i++)
		if (read_list_item(reader, key, list->items[i], err) < 0)
			return -1;
	return 0;
}

static int read_key(const struct reader *reader, enum config_key_id key, const struct node *value,
		    void *base, struct error *err)
{
	enum config_key_id shorthand = config_keys[key].shorthand;

	reader->config->positions[key] = value->position;
	switch (config_keys[key].type) {
	case TYPE_MAP:
		if (shorthand && value->kind == NODE_TEXT)
			return read_value(reader, shorthand, value, base, err);
		if (expect_kind(reader, key, value, NODE_MAP, err) < 0)
			return -1;
		return read_map(reader, key, value, base, err);
	case TYPE_MAPS:
	case TYPE_LIST:
		return read_list(reader, key, value, err);
	case TYPE_TREE:
		return read_variables(reader, key, value,
				      (void *)((char *)base + config_keys[key].offset), err);
	case TYPE_TEXT:
	case TYPE_PATH:
	case TYPE_NUMBER:
	case TYPE_SIZE:
	case TYPE_DURATION:
	case TYPE_BOOL:
	case TYPE_CHOICE:
	case TYPE_EITHER:
		return read_value(reader, key, value, base, err);
	}
	abort();
}

/* The defaults of the keys directly below @parent, read as if the user had written them. */
static int read_defaults(const struct reader *reader, enum config_key_id parent, void *base,
			 struct error *err)
{
	for (enum config_key_id key = 0; key < KEY_COUNT; key++) {
		struct node node = {.kind = NODE_TEXT, .plain = true};

		if (!key_is_child(parent, key))
			continue;
		if (config_keys[key].type == TYPE_MAP && read_defaults(reader, key, base, err) < 0)
			return -1;
		node.text = text_dup(config_keys[key].fallback);
		node.length = node.text ? strlen(node.text) : 0;
		if (node.text && read_value(reader, key, &node, base, err) < 0)
			abort(); /* the table contradicts itself */
		free(node.text);
	}
	return 0;
}

static int check_required(const struct reader *reader, enum config_key_id parent,
			  const struct node *map, struct error *err)
{
	for (enum config_key_id key = 0; key < KEY_COUNT; key++)
		if (config_keys[key].required && key_is_child(parent, key) &&
		    !node_find(map, key_name(&config_keys[key])))
			return source_error(reader->source, map->position, err, "'%s' is missing",
					    config_keys[key].path);
	return 0;
}

int read_map(const struct reader *reader, enum config_key_id parent, const struct node *map,
	     void *base, struct error *err)
{
	if ((parent == KEY_SHARES || parent == KEY_PROVISION) &&
	    read_defaults(reader, parent, base, err) < 0)
		return -1;
	for (size_t i = 0; i < map->count; i++) {
		enum config_key_id key = key_find(parent, map->keys[i]->text);

		if (key == KEY_COUNT)
			return unknown_key(reader, parent, map->keys[i], err);
		if (read_key(reader, key, map->items[i], base, err) < 0)
			return -1;
	}
	return check_required(reader, parent, map, err);
}

static int read_root(const struct reader *reader, const struct node *root, struct error *err)
{
	if (read_defaults(reader, KEY_COUNT, reader->config, err) < 0)
		return -1;
	if (root && root->kind != NODE_MAP)
		return source_error(reader->source, root->position, err,
				    "a Migrantfile holds 'key: value' lines, not %s",
				    node_kind_text(root->kind));
	return root ? read_map(reader, KEY_COUNT, root, reader->config, err) : 0;
}

static int default_name(struct config *config, struct error *err)
{
	const struct position nowhere = {0};

	if (config->name)
		return 0;
	config->name = config_default_name(config->directory);
	if (config->name)
		return 0;
	config_error(config, nowhere, err, "no name can be made from the directory's name '%s'",
		     config->directory);
	return error_hint(err, "write 'name: …' into the Migrantfile");
}

static int parse_into(const struct source *source, struct config *config, struct error *err)
{
	const struct reader reader = {source, config};
	_cleanup_node_ struct node *root = NULL;

	if (node_parse(source, &root, err) < 0 || read_root(&reader, root, err) < 0 ||
	    default_name(config, err) < 0)
		return -1;
	return config_check(config, err);
}

int config_parse(const char *directory, const char *file, const char *text, size_t length,
		 struct config *ret_config, struct error *err)
{
	const struct source whole = {file, text, length};
	const struct source source = source_without_bom(&whole);
	_cleanup_config_ struct config config = {
		.directory = text_dup(directory),
		.file = text_dup(file),
		.positions = xcalloc(KEY_COUNT, sizeof(struct position)),
	};

	if (length <= SOURCE_SIZE_MAX) {
		config.text = text_dup_n(source.text, source.length);
		config.length = source.length;
	}
	if (parse_into(&source, &config, err) < 0)
		return -1;
	*ret_config = config;
	config = (struct config){0};
	return 0;
}

int config_error(const struct config *config, struct position position, struct error *err,
		 const char *format, ...)
{
	const struct source source = {config->file, config->text, config->length};
	_cleanup_free_ char *message = NULL;
	va_list args;

	va_start(args, format);
	message = text_format_args(format, args);
	va_end(args);
	return source_error(&source, position, err, "%s", message);
}

struct position config_position(const struct config *config, const char *path)
{
	for (enum config_key_id key = 0; key < KEY_COUNT; key++)
		if (text_equal(config_keys[key].path, path))
			return config->positions[key];
	abort(); /* no such key */
}

char *config_path(const struct config *config, const char *path)
{
	return path[0] == '/' ? text_dup(path) : text_format("%s/%s", config->directory, path);
}

bool config_box_is_path(const struct config *config)
{
	return box_reference_is_path(config->box);
}

/* True for the first byte of a character, and for any byte that is no UTF-8 continuation. */
static bool begins_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

char *config_default_name(const char *directory)
{
	const char *slash = strrchr(directory, '/');
	const char *base = slash ? slash + 1 : directory;
	char name[NAME_MAX_LENGTH + 1];
	size_t length = 0;

	for (; *base && length < NAME_MAX_LENGTH; base++) {
		char c = *base >= 'A' && *base <= 'Z' ? (char)(*base - 'A' + 'a') : *base;
		bool kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (kept || (length > 0 && begins_character(c)))
			name[length++] = kept ? c : '-';
	}
	while (length && name[length - 1] == '-')
		length--;
	return length ? text_dup_n(name, length) : NULL;
}

static void network_done(struct config_network *network)
{
	for (size_t i = 0; i < network->domain_count; i++)
		free(network->domains[i]);
	free(network->domains);
	free(network->dns);
	free(network->allow);
	free(network->ports);
}

static void shares_done(struct config *config)
{
	for (size_t i = 0; i < config->share_count; i++) {
		free(config->shares[i].host);
		free(config->shares[i].guest);
	}
	free(config->shares);
	config->shares = NULL;
	config->share_count = 0;
}

/* wireguard.conf becomes wireguard-NAME.conf: beside it, where no share can be either. */
static char *sibling_file(const char *path, const char *name)
{
	static const char ending[] = ".conf";
	size_t length = strlen(path);

	if (text_ends(path, ending))
		length -= strlen(ending);
	return text_format("%.*s-%s%s", (int)length, path, name, path + length);
}

void config_as_sibling(struct config *config, const char *name)
{
	char *wireguard = config->wireguard ? sibling_file(config->wireguard, name) : NULL;

	free(config->wireguard);
	config->wireguard = wireguard;
	text_replace(&config->name, name);
	shares_done(config);
	config->network.port_count = 0;
}

void config_done(struct config *config)
{
	char *const texts[] = {
		config->directory,     config->file,	  config->name,
		config->box,	       config->user,	  config->kernel_image,
		config->kernel_initrd, config->wireguard, config->kernel_cmdline,
		config->cloud_init,    config->hooks,	  config->text,
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(texts[i]);
	shares_done(config);
	for (size_t i = 0; i < config->provision_count; i++)
		provision_done(&config->provision[i]);
	free(config->provision);
	free(config->tunnel_ports);
	free(config->positions);
	network_done(&config->network);
	*config = (struct config){0};
}
