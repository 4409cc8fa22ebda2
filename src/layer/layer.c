/*
 * Layers that are there. Whoever starts from one trusts it as much as a box: so it must be what was
 * published, by the file's length, owner, mode and times, which nobody but root can set back; and
 * by its digest, when somebody asks for that.
 */
#include "layer/layer.h"

#include <string.h>

#include "base/text.h"
#include "box/pool.h"

#define MANIFEST_MAX (4 << 20) /* bytes */

static int load(virStoragePoolPtr pool, const char *manifest, struct layer *ret_layer,
		struct error *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *expected = NULL;
	_cleanup_layer_ struct layer layer = {0};

	if (pool_load(pool, manifest, MANIFEST_MAX, &text, NULL, err) < 0)
		return -1;
	if (layer_parse(text, &layer, err) < 0)
		return error_prefix(err, "%s", manifest);
	expected = layer_manifest_name(layer.key);
	if (!text_equal(expected, manifest))
		return error_set(err, EX_DATAERR, "%s is the manifest of another layer", manifest);
	*ret_layer = layer;
	layer = (struct layer){0};
	return 0;
}

int layer_find(virStoragePoolPtr pool, const char *key, struct layer *ret_layer, struct error *err)
{
	_cleanup_free_ char *manifest = layer_manifest_name(key);

	if (!pool_has(pool, manifest))
		return error_set(err, EX_NOINPUT, "there is no layer %.12s", key);
	return load(pool, manifest, ret_layer, err);
}

int layer_check(virStoragePoolPtr pool, const struct layer *layer, struct error *err)
{
	_cleanup_volume_facts_ struct volume_facts facts = {0};
	_cleanup_free_ char *base = pool_path(layer->base);

	if (pool_examine(pool, layer->volume, &facts, err) < 0) {
		err->code = EX_DATAERR;
		return -1;
	}
	if (facts.owner != 0 || facts.mode != 0440 || facts.group != layer->group)
		return error_set(err, EX_DATAERR,
				 "it is not root's and read-only any more (owner %u, group %u, "
				 "mode %03o)",
				 facts.owner, facts.group, facts.mode);
	if (facts.stored != layer->stored || !text_equal(facts.modified, layer->modified) ||
	    !text_equal(facts.changed, layer->changed))
		return error_set(err, EX_DATAERR, "it was changed since it was made");
	/* The header was looked at when it was stored, and libvirt, which does so at its leisure,
	 * may not have done it yet. */
	if ((facts.backing_path && !text_equal(facts.backing_path, base)) ||
	    !pool_has(pool, layer->base))
		return error_set(err, EX_DATAERR, "what it lies over is not there any more");
	return 0;
}

int layer_verify(virStoragePoolPtr pool, const struct layer *layer, struct error *err)
{
	_cleanup_free_ char *digest = NULL;

	if (layer_check(pool, layer, err) < 0 || pool_digest(pool, layer->volume, &digest, err) < 0)
		return -1;
	if (!text_equal(digest, layer->digest))
		return error_set(err, EX_DATAERR, "its content is not what was stored");
	return 0;
}

int layer_list_load(virStoragePoolPtr pool, struct layer_list *ret_list, struct error *err)
{
	_cleanup_list_ char **names = NULL;
	struct layer_list list = {0};

	if (pool_list(pool, LAYER_PREFIX, &names, err) < 0)
		return -1;
	for (char **name = names; *name; name++) {
		_cleanup_error_ struct error ignored = ERROR_INIT;
		struct layer layer = {0};

		/* a broken manifest publishes nothing: its volume is a leftover */
		if (!text_ends(*name, ".json") || load(pool, *name, &layer, &ignored) < 0)
			continue;
		list.items = xreallocarray(list.items, list.count + 1, sizeof(*list.items));
		list.items[list.count++] = layer;
	}
	*ret_list = list;
	return 0;
}

int layer_find_volume(virStoragePoolPtr pool, const char *path, struct layer *ret_layer,
		      struct error *err)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	_cleanup_free_ char *key = NULL;
	_cleanup_layer_ struct layer layer = {0};

	if (text_starts(name, LAYER_PREFIX))
		key = text_dup_n(name + strlen(LAYER_PREFIX),
				 strcspn(name + strlen(LAYER_PREFIX), "-."));
	if (!key || layer_find(pool, key, &layer, err) < 0)
		return key ? -1 : error_set(err, EX_NOINPUT, "%s is no layer", name);
	if (!text_equal(layer.volume, name))
		return error_set(err, EX_NOINPUT, "%s has been replaced by a newer layer", name);
	*ret_layer = layer;
	layer = (struct layer){0};
	return 0;
}

int layer_delete(virStoragePoolPtr pool, const struct layer *layer, struct error *err)
{
	_cleanup_free_ char *manifest = layer_manifest_name(layer->key);

	if (pool_delete(pool, manifest, err) < 0)
		return -1;
	return pool_delete(pool, layer->volume, err);
}

static bool is_listed(const struct layer_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++) {
		_cleanup_free_ char *manifest = layer_manifest_name(list->items[i].key);

		if (text_equal(name, list->items[i].volume) || text_equal(name, manifest))
			return true;
	}
	return false;
}

static bool is_being_made(const char *name)
{
	const char *key = name + strlen(LAYER_PREFIX);
	_cleanup_free_ char *text = text_dup_n(key, strcspn(key, "-."));
	_cleanup_close_ int lock = layer_lock(text);

	return lock < 0;
}

int layer_leftovers(virStoragePoolPtr pool, const struct layer_list *list, char ***ret_names,
		    struct error *err)
{
	_cleanup_list_ char **names = NULL;
	char **left;
	size_t count = 0;

	if (pool_list(pool, LAYER_PREFIX, &names, err) < 0)
		return -1;
	left = xcalloc(1, sizeof(*left));
	for (char **name = names; *name; name++) {
		if (is_listed(list, *name) || is_being_made(*name))
			continue;
		left = xreallocarray(left, count + 2, sizeof(*left));
		left[count++] = text_dup(*name);
		left[count] = NULL;
	}
	*ret_names = left;
	return 0;
}
