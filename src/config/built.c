/*
 * What a Migrantfile may say and this version does not do yet. Accepting such a key and ignoring it
 * would be a promise that lapses in silence, so `up` stops. A feature that gets built loses its
 * mark in the key table, nothing else changes here.
 */
#include <string.h>

#include "config/keys.h"
#include "config/reader.h"

/* Number of items of a list key. */
static size_t item_count(const struct config *config, enum config_key_id key)
{
	if (key == KEY_SHARES)
		return config->share_count;
	if (key == KEY_NETWORK_DOMAINS)
		return config->network.domain_count;
	if (key == KEY_NETWORK_ALLOW)
		return config->network.allow_count;
	if (key == KEY_NETWORK_PORTS)
		return config->network.port_count;
	return config->tunnel_port_count;
}

/* True when the value of an unbuilt key asks for something. Its default, if written, does not. */
static bool is_used(const struct config *config, enum config_key_id key)
{
	enum key_type type = config_keys[key].type;
	const void *slot = (const char *)config + config_keys[key].offset;

	if (type == TYPE_MAPS || type == TYPE_LIST)
		return item_count(config, key) > 0;
	if (type == TYPE_PATH) /* also one that nobody wrote: the default file exists */
		return *(char *const *)slot != NULL;
	if (type == TYPE_DURATION)
		return *(const uint64_t *)slot != 0;
	if (type == TYPE_EITHER || type == TYPE_BOOL)
		return *(const bool *)slot;
	if (type == TYPE_CHOICE)
		return *(const unsigned int *)slot != 0;
	return config->positions[key].line != 0;
}

/* A choice that is not built, of a key whose other choices are. */
static int check_choice(const struct config *config, enum config_key_id key, struct error *err)
{
	const struct config_key *entry = &config_keys[key];
	unsigned int choice;

	if (!entry->unbuilt_from)
		return 0;
	choice = *(const unsigned int *)(const void *)((const char *)config + entry->offset);
	if (choice < entry->unbuilt_from)
		return 0;
	config_error(config, config->positions[key], err,
		     "'%s: %s' is not built into this version yet", entry->path,
		     entry->choices[choice]);
	return error_hint(err, "choose something else to run without it");
}

static int unbuilt(const struct config *config, enum config_key_id key, struct error *err)
{
	config_error(config, config->positions[key], err, "'%s' is not built into this version yet",
		     config_keys[key].path);
	return error_hint(err, "take it out to run without it");
}

int config_require_built(const struct config *config, struct error *err)
{
	for (enum config_key_id key = 0; key < KEY_COUNT; key++) {
		if (config_keys[key].unbuilt && is_used(config, key))
			return unbuilt(config, key, err);
		if (check_choice(config, key, err) < 0)
			return -1;
	}
	return 0;
}
