/*
 * Going back to a snapshot: a new overlay over what it froze. Whether all of that is there is found
 * out first, and the guest is ended last, when nothing else can fail.
 */
#include "base/log.h"
#include "base/text.h"
#include "command/disks_change.h"
#include "hook/disks.h"

/*
 * The paths of what lies below an overlay over @layer. What the sandbox has not frozen itself is as
 * its definition says, whatever the disks may say: a QEMU that was broken into can write those.
 */
static int find_chain(const struct project *project, const struct tree *tree, const char *layer,
		      char ***ret_chain, struct error *err)
{
	const struct definition *definition = &project->domain.definition;
	char *const *foreign = disks_find_foreign(definition);
	const char *bottom = tree_volume_of(*foreign ? *foreign : definition->base);
	_cleanup_list_ char **chain = xcalloc(1, sizeof(*chain));
	size_t count = 0;

	for (; layer && !text_equal(layer, bottom); layer = tree_find(tree, layer)->backing) {
		_cleanup_free_ char *path = pool_path(layer);

		if (!disk_name_parse(layer, definition->metadata.uuid, NULL) ||
		    !tree_find(tree, layer) || count == DISK_LAYERS_MAX)
			return error_set(err, EX_DATAERR, "the disk %s, which it needs, has gone",
					 layer);
		disks_list_add(&chain, &count, path);
	}
	if (!layer)
		return error_set(err, EX_DATAERR, "its disk lies over another base");
	for (; *foreign; foreign++)
		disks_list_add(&chain, &count, *foreign);
	*ret_chain = take_ptr(chain);
	return 0;
}

static int check_there(virStoragePoolPtr pool, const char *path, struct error *err)
{
	const char *name = tree_volume_of(path);

	if (!path || (name && pool_has(pool, name)))
		return 0;
	return error_set(err, EX_DATAERR, "%s, which it lies over, has gone", name ? name : path);
}

/* What the sandbox has not made itself, below its own disks. */
static int check_bottom(const struct definition *definition, virStoragePoolPtr pool,
			struct error *err)
{
	for (char *const *layer = disks_find_foreign(definition); *layer; layer++)
		if (check_there(pool, *layer, err) < 0)
			return -1;
	if (check_there(pool, definition->base, err) < 0)
		return -1;
	return check_there(pool, definition->below, err);
}

static int check_back(const struct project *project, virStoragePoolPtr pool,
		      const struct tree *tree, const char *name, const char **ret_layer,
		      char ***ret_chain, struct error *err)
{
	const struct snapshot *snapshot = disks_require_snapshot(project, name, err);

	if (!snapshot)
		return -1;
	if (check_bottom(&project->domain.definition, pool, err) < 0 ||
	    find_chain(project, tree, snapshot->layer, ret_chain, err) < 0)
		return error_prefix(err, "the snapshot '%s' cannot be restored", name);
	*ret_layer = snapshot->layer;
	return 0;
}

int disks_check(const struct project *project, const char *name, struct error *err)
{
	_cleanup_pool_ virStoragePoolPtr pool = NULL;
	_cleanup_tree_ struct tree tree = {0};
	_cleanup_list_ char **chain = NULL;
	const char *layer;

	if (disks_require_made(project, err) < 0 ||
	    pool_open(project->connection, &pool, err) < 0 || tree_load(pool, &tree, err) < 0)
		return -1;
	return check_back(project, pool, &tree, name, &layer, &chain, err);
}

/* Its memory belongs to the disk that goes. */
static int stop(struct project *project, struct error *err)
{
	virDomainPtr handle = project->domain.handle;

	if (project->domain.state == DOMAIN_SAVED)
		log_info("throwing its saved memory away");
	if (domain_kill(handle, err) < 0 || domain_forget_memory(handle, err) < 0)
		return -1;
	project->domain.state = DOMAIN_SHUTOFF;
	return 0;
}

int disks_rewind(struct project *project, const char *name, struct error *err)
{
	_cleanup_pool_ virStoragePoolPtr pool = NULL;
	_cleanup_tree_ struct tree tree = {0};
	_cleanup_list_ char **chain = NULL;
	_cleanup_free_ char *overlay = NULL;
	struct definition *definition = &project->domain.definition;
	const char *layer = NULL;

	if (disks_begin(project, &pool, &tree, err) < 0 ||
	    check_back(project, pool, &tree, name, &layer, &chain, err) < 0 ||
	    disks_make_overlay(project, pool, &tree, layer, &overlay, err) < 0)
		return -1;
	/* first as it is: no guest is ended for a definition that cannot be written */
	if (disks_redefine(project, err) < 0 || stop(project, err) < 0)
		return disks_discard(pool, overlay);
	free(definition->disk);
	definition->disk = pool_path(overlay);
	free_list(definition->layers);
	definition->layers = take_ptr(chain);
	if (disks_redefine(project, err) < 0)
		return -1;
	tree_done(&tree);
	return tree_load(pool, &tree, err) < 0 ? -1 : disks_sweep(project, pool, &tree, err);
}
