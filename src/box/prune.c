/*
 * Finding what can go. In use is what a domain's definition or an overlay names by digest;
 * everything else of ours may go: manifests first, so that no box is ever seen without its volumes.
 */
#include "box/prune.h"

#include <string.h>

#include "base/text.h"
#include "box/digest.h"
#include "box/manifest.h"

void prune_done(struct prune *prune)
{
	for (size_t i = 0; i < prune->count; i++) {
		free(prune->items[i]);
		free(prune->volumes[i]);
	}
	free(prune->items);
	free(prune->volumes);
	*prune = (struct prune){0};
}

static void add(struct prune *prune, char *item, const char *volume)
{
	prune->items = xreallocarray(prune->items, prune->count + 1, sizeof(char *));
	prune->volumes = xreallocarray(prune->volumes, prune->count + 1, sizeof(char *));
	prune->items[prune->count] = item;
	prune->volumes[prune->count++] = text_dup(volume);
}

static int is_used(virConnectPtr connection, virStoragePoolPtr pool, const char *digest,
		   bool *ret_used, struct error *err)
{
	_cleanup_list_ char **users = NULL;

	if (box_users(connection, pool, digest, &users, err) < 0)
		return -1;
	*ret_used = users[0] != NULL;
	return 0;
}

static void drop(struct box_list *list, size_t index)
{
	box_done(&list->boxes[index]);
	list->boxes[index] = list->boxes[--list->count];
}

/* Boxes without users; those that are used stay in @list. */
static int find_boxes(virConnectPtr connection, virStoragePoolPtr pool, struct box_list *list,
		      struct prune *prune, struct error *err)
{
	for (size_t i = list->count; i-- > 0;) {
		const struct box *box = &list->boxes[i];
		_cleanup_free_ char *manifest = manifest_name(box->name);
		bool used;

		if (is_used(connection, pool, box->digest, &used, err) < 0)
			return -1;
		if (used)
			continue;
		add(prune, text_format("box %s", box->name), manifest);
		drop(list, i);
	}
	return 0;
}

/* Volumes @prefix… that belong to no box of @list and, by their own digest, to no domain. */
static int find_volumes(virConnectPtr connection, virStoragePoolPtr pool,
			const struct box_list *list, const char *prefix, struct prune *prune,
			struct error *err)
{
	_cleanup_list_ char **names = NULL;

	if (pool_list(pool, prefix, &names, err) < 0)
		return -1;
	for (char **name = names; *name; name++) {
		_cleanup_free_ char *digest =
			text_dup_n(*name + strlen(prefix),
				   strnlen(*name + strlen(prefix), DIGEST_SHA256_LENGTH));
		bool used;

		if (box_list_uses(list, *name, NULL))
			continue;
		if (is_used(connection, pool, digest, &used, err) < 0)
			return -1;
		if (!used)
			add(prune, text_format("volume %s", *name), *name);
	}
	return 0;
}

int prune_find(virConnectPtr connection, virStoragePoolPtr pool, struct prune *ret_prune,
	       struct error *err)
{
	static const char *const prefixes[] = {"base-", "kernel-", "initrd-"};
	_cleanup_box_list_ struct box_list list = {0};
	_cleanup_prune_ struct prune prune = {0};

	if (box_list_load(pool, &list, err) < 0 ||
	    find_boxes(connection, pool, &list, &prune, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (find_volumes(connection, pool, &list, prefixes[i], &prune, err) < 0)
			return -1;
	*ret_prune = prune;
	prune = (struct prune){0};
	return 0;
}

int prune_apply(virStoragePoolPtr pool, const struct prune *prune, struct error *err)
{
	for (size_t i = 0; i < prune->count; i++)
		if (pool_delete(pool, prune->volumes[i], err) < 0)
			return -1;
	return 0;
}
