/*
 * What lies over what stands in the disks themselves; nothing counts references, so nothing can
 * count them wrongly after a crash.
 */
#include "box/tree.h"

#include "base/text.h"

void tree_done(struct tree *tree)
{
	for (size_t i = 0; i < tree->count; i++) {
		free(tree->items[i].name);
		free(tree->items[i].backing);
	}
	free(tree->items);
	*tree = (struct tree){0};
}

const char *tree_volume_of(const char *path)
{
	static const char directory[] = POOL_DIRECTORY "/";
	const char *name = path && text_starts(path, directory) ? path + strlen(directory) : NULL;

	return name && *name && !strchr(name, '/') ? name : NULL;
}

static void add(struct tree *tree, const char *name, const char *backing_path)
{
	tree->items = xreallocarray(tree->items, tree->count + 1, sizeof(*tree->items));
	tree->items[tree->count++] = (struct tree_item){
		.name = text_dup(name),
		.backing = text_dup(tree_volume_of(backing_path)),
	};
}

int tree_load(virStoragePoolPtr pool, struct tree *ret_tree, struct error *err)
{
	_cleanup_list_ char **names = NULL;
	struct tree tree = {0};

	if (pool_list(pool, "disk-", &names, err) < 0)
		return -1;
	for (char **name = names; *name; name++) {
		_cleanup_volume_facts_ struct volume_facts facts = {0};
		_cleanup_error_ struct error gone = ERROR_INIT;

		if (pool_examine(pool, *name, &facts, &gone) == 0)
			add(&tree, *name, facts.backing_path);
		else if (gone.code != EX_NOINPUT) {
			error_move(err, &gone);
			tree_done(&tree);
			return -1;
		}
	}
	*ret_tree = tree;
	return 0;
}

const struct tree_item *tree_find(const struct tree *tree, const char *name)
{
	for (size_t i = 0; i < tree->count; i++)
		if (text_equal(tree->items[i].name, name))
			return &tree->items[i];
	return NULL;
}

const struct tree_item *tree_child(const struct tree *tree, const char *name)
{
	for (size_t i = 0; i < tree->count; i++)
		if (text_equal(tree->items[i].backing, name))
			return &tree->items[i];
	return NULL;
}

void tree_forget(struct tree *tree, const char *name)
{
	for (size_t i = 0; i < tree->count; i++) {
		if (!text_equal(tree->items[i].name, name))
			continue;
		free(tree->items[i].name);
		free(tree->items[i].backing);
		tree->items[i] = tree->items[--tree->count];
		return;
	}
}
