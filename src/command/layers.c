/*
 * A layer is in use while a sandbox's disk lies over it; libvirt's definitions and the disks
 * themselves say so, and nothing else is asked.
 */
#include "command/layers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "box/installed.h"
#include "command/disks.h"
#include "command/lock.h"
#include "domain/libvirt.h"

#define SHOWN_CHARS 12 /* of a key, for people */

void layers_done(struct layers *layers)
{
	for (size_t i = 0; layers->users && i < layers->list.count; i++)
		free_list(layers->users[i]);
	free(layers->users);
	free_list(layers->leftovers);
	free_list(layers->orphans);
	layer_list_done(&layers->list);
	cleanup_pool(&layers->pool);
	cleanup_connection(&layers->connection);
	*layers = (struct layers){0};
}

static int find_users(struct layers *layers, struct error *err)
{
	layers->users = xcalloc(layers->list.count + 1, sizeof(*layers->users));
	for (size_t i = 0; i < layers->list.count; i++)
		if (box_users(layers->connection, layers->pool, layers->list.items[i].volume,
			      &layers->users[i], err) < 0)
			return -1;
	return 0;
}

/* One that was replaced may still have its sandboxes. */
static int find_leftovers(struct layers *layers, struct error *err)
{
	_cleanup_list_ char **names = NULL;
	size_t count = 0;

	if (layer_leftovers(layers->pool, &layers->list, &names, err) < 0)
		return -1;
	layers->leftovers = xcalloc(1, sizeof(char *));
	for (char **name = names; *name; name++) {
		_cleanup_list_ char **users = NULL;

		if (box_users(layers->connection, layers->pool, *name, &users, err) < 0)
			return -1;
		if (users[0])
			continue;
		layers->leftovers = xreallocarray(layers->leftovers, count + 2, sizeof(char *));
		layers->leftovers[count++] = text_dup(*name);
		layers->leftovers[count] = NULL;
	}
	return 0;
}

int layers_load(struct layers *ret_layers, struct error *err)
{
	_cleanup_layers_ struct layers layers = {0};
	_cleanup_error_ struct error absent = ERROR_INIT;

	if (libvirt_connect(&layers.connection, &absent) < 0 ||
	    pool_open(layers.connection, &layers.pool, &absent) < 0) {
		log_info("layers are not looked at: %s", absent.message);
		cleanup_connection(&layers.connection);
		layers.connection = NULL;
	} else if (layer_list_load(layers.pool, &layers.list, err) < 0 ||
		   find_users(&layers, err) < 0 || find_leftovers(&layers, err) < 0 ||
		   disks_find_orphans(layers.pool, &layers.orphans, err) < 0) {
		return -1;
	}
	*ret_layers = layers;
	layers = (struct layers){0};
	return 0;
}

static json_object *layer_json(const struct layer *layer, char **users)
{
	json_object *object = json_object_new_object();
	json_object *names = json_object_new_array();

	for (; *users; users++)
		json_object_array_add(names, json_object_new_string(*users));
	json_object_object_add(object, "key", json_object_new_string(layer->key));
	json_object_object_add(object, "volume", json_object_new_string(layer->volume));
	json_object_object_add(object, "owner", json_object_new_int64(layer->owner));
	json_object_object_add(object, "sandbox", json_object_new_string(layer->sandbox));
	json_object_object_add(object, "directory", json_object_new_string(layer->directory));
	json_object_object_add(object, "created", json_object_new_string(layer->created));
	json_object_object_add(object, "allocated_bytes", json_object_new_uint64(layer->stored));
	json_object_object_add(object, "users", names);
	return object;
}

json_object *layers_json(const struct layers *layers)
{
	json_object *list;

	if (!layers->connection)
		return NULL;
	list = json_object_new_array();
	for (size_t i = 0; i < layers->list.count; i++)
		json_object_array_add(list, layer_json(&layers->list.items[i], layers->users[i]));
	return list;
}

static char *join(char *const *words)
{
	struct strbuf text = STRBUF_INIT;

	for (; *words; words++)
		strbuf_addf(&text, "%s%s", text.length ? ", " : "", *words);
	return strbuf_take(&text);
}

void layers_print(const struct layers *layers)
{
	if (!layers->connection || layers->list.count == 0) {
		if (layers->connection)
			puts("no layers");
		return;
	}
	printf("%-18s %10s  %-20s  %-20s  %s\n", "LAYER", "ON DISK", "CREATED", "USED BY",
	       "MADE IN");
	for (size_t i = 0; i < layers->list.count; i++) {
		const struct layer *layer = &layers->list.items[i];
		_cleanup_free_ char *users = join(layers->users[i]);
		_cleanup_free_ char *place =
			text_escape(layer->directory, strlen(layer->directory), false);

		printf("%-18.*s %10" PRIu64 "  %-20s  %-20s  %s\n", SHOWN_CHARS, layer->key,
		       layer->stored >> 20, layer->created, *users ? users : "nobody", place);
	}
}

/* Others' layers are theirs, though whoever may use libvirt could delete them. */
static bool is_needless(const struct layers *layers, size_t index)
{
	uid_t user = getuid();

	return !layers->users[index][0] && (user == 0 || layers->list.items[index].owner == user);
}

size_t layers_count_needless(const struct layers *layers)
{
	size_t count = 0;

	for (size_t i = 0; i < layers->list.count; i++)
		count += is_needless(layers, i);
	for (char **name = layers->leftovers; name && *name; name++)
		count++;
	for (char **name = layers->orphans; name && *name; name++)
		count++;
	return count;
}

void layers_say_needless(const struct layers *layers)
{
	for (size_t i = 0; i < layers->list.count; i++) {
		const struct layer *layer = &layers->list.items[i];

		if (is_needless(layers, i))
			log_info("layer %.*s of %s, made in %s, %" PRIu64 " MiB on the disk",
				 SHOWN_CHARS, layer->key, layer->created, layer->directory,
				 layer->stored >> 20);
	}
	for (char **name = layers->leftovers; name && *name; name++)
		log_info("%s, which no layer consists of", *name);
	for (char **name = layers->orphans; name && *name; name++)
		log_info("%s, whose sandbox has gone", *name);
}

/* Somebody may have started from it, or made it anew, while the question was asked. */
static int delete_unused(const struct layers *layers, const struct layer *layer, struct error *err)
{
	_cleanup_close_ int lock = layer_lock(layer->key);
	_cleanup_error_ struct error gone = ERROR_INIT;
	_cleanup_layer_ struct layer now = {0};
	_cleanup_list_ char **users = NULL;

	if (lock < 0 || layer_find(layers->pool, layer->key, &now, &gone) < 0 ||
	    !text_equal(now.volume, layer->volume)) {
		log_info("layer %.*s is another one by now", SHOWN_CHARS, layer->key);
		return 0;
	}
	if (box_users(layers->connection, layers->pool, layer->volume, &users, err) < 0)
		return -1;
	if (users[0]) {
		log_info("layer %.*s is in use by %s by now", SHOWN_CHARS, layer->key, users[0]);
		return 0;
	}
	if (layer_delete(layers->pool, layer, err) < 0)
		return -1;
	log_step("deleted layer %.*s", SHOWN_CHARS, layer->key);
	return 0;
}

/* What was asked about, and is still nobody's. */
static int delete_orphans(const struct layers *layers, struct error *err)
{
	_cleanup_close_ int lock = -1;

	if (!layers->orphans || !layers->orphans[0])
		return 0;
	if (lock_name(LOCK_DISKS, LOCK_SECONDS, &lock, err) < 0)
		return -1;
	return disks_delete_orphans(layers->pool, layers->orphans, err);
}

int layers_prune(const struct layers *layers, struct error *err)
{
	for (size_t i = 0; i < layers->list.count; i++)
		if (is_needless(layers, i) &&
		    delete_unused(layers, &layers->list.items[i], err) < 0)
			return -1;
	for (char **name = layers->leftovers; name && *name; name++) {
		if (pool_delete(layers->pool, *name, err) < 0)
			return -1;
		log_step("deleted %s", *name);
	}
	return delete_orphans(layers, err);
}

int layers_verify(const struct layers *layers, struct error *err)
{
	size_t bad = 0;

	for (size_t i = 0; i < layers->list.count; i++) {
		const struct layer *layer = &layers->list.items[i];
		_cleanup_error_ struct error why = ERROR_INIT;
		int result = layer_verify(layers->pool, layer, &why);

		if (result < 0 && why.code != EX_DATAERR) {
			error_move(err, &why);
			return -1;
		}
		bad += result < 0;
		printf("layer %.*s: %s\n", SHOWN_CHARS, layer->key,
		       result < 0 ? why.message : "as it was stored");
	}
	if (bad == 0)
		return 0;
	error_set(err, EX_DATAERR, "%zu of %zu layers are not what was stored", bad,
		  layers->list.count);
	return error_hint(err, "'migrant storage --prune' removes those that no sandbox lies over");
}
