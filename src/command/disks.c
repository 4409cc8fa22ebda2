/*
 * A snapshot is nothing but a volume that is not written to any more: the sandbox goes on in an
 * overlay over it. So the order of every change is: the new volume, then the definition, which says
 * in one step which disk is in use and what the snapshots are, then the volume that nobody needs
 * any more. Killed anywhere in between there is a volume too many, and never one too few; the next
 * command takes it away.
 */
#include "command/disks_change.h"

#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "command/guest_shares.h"
#include "command/memories.h"
#include "domain/libvirt.h"
#include "domain/pivot.h"
#include "hook/disks.h"

#define ANSWER_MAX   4096
#define LONG_CHAIN   8	  /* layers */
#define PULL_SECONDS 3600 /* for all of a disk, if need be */

bool disks_are_forked(const struct definition *definition)
{
	for (char *const *layer = definition->layers; layer && *layer; layer++) {
		const char *name = tree_volume_of(*layer);

		if (name && disk_name_parse(name, NULL, NULL) &&
		    !disk_name_parse(name, definition->metadata.uuid, NULL))
			return true;
	}
	return false;
}

static size_t depth_of(const struct definition *definition)
{
	size_t depth = 0;

	while (definition->layers[depth])
		depth++;
	return depth;
}

static int check_name(const struct project *project, const char *name, struct error *err)
{
	if (!snapshots_find(&project->domain.definition.snapshots, name))
		return 0;
	error_set(err, EX_CANTCREAT, "there is a snapshot '%s' already", name);
	return error_hint(err, "take another name, or: migrant snapshot delete %s", name);
}

static int check_freeze(const struct project *project, struct error *err)
{
	if (project->domain.state == DOMAIN_SAVED) {
		error_set(err, EXIT_STATE, "the sandbox '%s' is suspended", project->config.name);
		return error_hint(err, "'migrant up' lets it go on");
	}
	return 0;
}

int disks_check_save(const struct project *project, const char *name, struct error *err)
{
	return check_name(project, name, err) < 0 ? -1 : check_freeze(project, err);
}

/*
 * What a long chain is cut down to: the newest layer that a snapshot names or another sandbox has
 * frozen, for all snapshots begin over the same; or, when there is no room for another one, the
 * lowest. The index among the layers, or 0: it stays as it is.
 */
static size_t find_cut(const struct definition *definition, size_t longest)
{
	size_t depth = depth_of(definition);
	size_t cut = 0;

	if (depth < longest)
		return 0;
	while (cut + 1 < depth &&
	       disk_name_parse(tree_volume_of(definition->layers[cut]), definition->metadata.uuid,
			       NULL) &&
	       !disk_is_frozen(&definition->snapshots, tree_volume_of(definition->layers[cut])))
		cut++;
	return cut == 0 && depth == DISK_LAYERS_MAX ? depth - 1 : cut;
}

/* Takes the topmost @count from the layers. The caller frees with free_list(). */
static char **drop_layers(struct definition *definition, size_t count)
{
	size_t depth = depth_of(definition);
	char **dropped = xcalloc(count + 1, sizeof(*dropped));

	memcpy(dropped, definition->layers, count * sizeof(*dropped));
	memmove(definition->layers, definition->layers + count,
		(depth - count + 1) * sizeof(*definition->layers));
	return dropped;
}

/* A destroyed origin's disks that were kept for this sandbox are not needed by it any more. */
static int sweep_foreign(const struct project *project, virStoragePoolPtr pool, char *const *layers,
			 struct error *err)
{
	_cleanup_tree_ struct tree tree = {0};
	_cleanup_close_ int lock = -1;

	if (lock_name(LOCK_DISKS, LOCK_SECONDS, &lock, err) < 0 || tree_load(pool, &tree, err) < 0)
		return -1;
	return disks_delete_foreign(pool, &tree, project->domain.definition.metadata.uuid, layers,
				    err);
}

/*
 * Every layer costs a look at each read of the guest. Only a QEMU that has the disk open can join
 * them: what lies between is copied into the disk, and stays where a snapshot or a fork needs it.
 */
static int shorten(struct project *project, virStoragePoolPtr pool, struct tree *tree,
		   size_t longest, struct error *err)
{
	struct definition *definition = &project->domain.definition;
	size_t cut = project_has_guest(project) ? find_cut(definition, longest) : 0;
	_cleanup_list_ char **dropped = NULL;

	if (cut == 0) {
		if (depth_of(definition) < DISK_LAYERS_MAX)
			return 0;
		error_set(err, EX_CANTCREAT, "the disk lies over %d snapshots already",
			  DISK_LAYERS_MAX);
		return error_hint(err, "'migrant up' first: the layers of a running sandbox are "
				       "joined when one more is saved");
	}
	log_step("%s: joining %zu layers of the disk", project->config.name, cut);
	if (domain_pull(project->domain.handle, definition->layers[cut], PULL_SECONDS, err) < 0)
		return -1;
	dropped = drop_layers(definition, cut);
	if (disks_redefine(project, err) < 0)
		return -1;
	tree_done(tree);
	if (tree_load(pool, tree, err) < 0 || disks_sweep(project, pool, tree, err) < 0)
		return -1;
	return sweep_foreign(project, pool, dropped, err);
}

/* The disk in use becomes the topmost layer, @path the disk. */
static void push_disk(struct definition *definition, char *path)
{
	size_t count = depth_of(definition);

	definition->layers =
		xreallocarray(definition->layers, count + 2, sizeof(*definition->layers));
	memmove(definition->layers + 1, definition->layers,
		(count + 1) * sizeof(*definition->layers));
	definition->layers[0] = definition->disk;
	definition->disk = path;
}

/* Lets the sandbox go on in the volume @overlay, and enters the snapshot if there is one. */
static int freeze(struct project *project, virStoragePoolPtr pool, const char *overlay,
		  const struct snapshot *snapshot, struct error *err)
{
	_cleanup_free_ char *path = pool_path(overlay);
	_cleanup_free_ char *memory =
		snapshot && snapshot->memory ? pool_path(snapshot->memory) : NULL;
	struct definition *definition = &project->domain.definition;
	bool runs = project_has_guest(project);

	/* Not to learn that a definition cannot be written when the guest has its new disk. */
	if ((runs && disks_redefine(project, err) < 0) ||
	    (snapshot && snapshots_add(&definition->snapshots, snapshot, err) < 0) ||
	    (runs && domain_pivot(project->domain.handle, path, memory, err) < 0))
		return disks_discard(pool, overlay);
	push_disk(definition, take_ptr(path));
	if (disks_redefine(project, err) < 0)
		return runs ? -1 : disks_discard(pool, overlay);
	return 0;
}

/* Ten forks that come up at once do not each copy what they have of their origin. */
static size_t longest_for(const char *name)
{
	return text_equal(name, SNAPSHOT_UP) ? DISK_LAYERS_MAX : LONG_CHAIN;
}

/* The guest goes on with its shares, whatever has become of the snapshot. */
static int freeze_with_memory(struct project *project, virStoragePoolPtr pool, const char *overlay,
			      struct snapshot *snapshot, struct error *err)
{
	int result;

	if (memory_plan(project, pool, overlay, snapshot, err) < 0 ||
	    guest_shares_release(project, err) < 0)
		return disks_discard(pool, overlay);
	result = freeze(project, pool, overlay, snapshot, err);
	guest_shares_put_back(project);
	return result;
}

int disks_save(struct project *project, const char *name, const char *text, bool with_memory,
	       struct error *err)
{
	_cleanup_pool_ virStoragePoolPtr pool = NULL;
	_cleanup_tree_ struct tree tree = {0};
	_cleanup_free_ char *overlay = NULL;
	_cleanup_snapshot_ struct snapshot snapshot = {.name = text_dup(name),
						       .text = text_dup(text)};

	if (disks_begin(project, &pool, &tree, err) < 0 ||
	    disks_check_save(project, name, err) < 0 ||
	    clock_text(time(NULL), &snapshot.created, err) < 0)
		return -1;
	snapshot.running = project_has_guest(project);
	snapshot.layer = text_dup(tree_volume_of(project->domain.definition.disk));
	if (snapshot_check(&snapshot, err) < 0 ||
	    shorten(project, pool, &tree, longest_for(name), err) < 0 ||
	    disks_make_overlay(project, pool, &tree, snapshot.layer, &overlay, err) < 0)
		return -1;
	return with_memory ? freeze_with_memory(project, pool, overlay, &snapshot, err)
			   : freeze(project, pool, overlay, &snapshot, err);
}

int disks_share(struct project *project, char ***ret_layers, struct error *err)
{
	_cleanup_pool_ virStoragePoolPtr pool = NULL;
	_cleanup_tree_ struct tree tree = {0};
	_cleanup_free_ char *overlay = NULL;
	const struct definition *definition = &project->domain.definition;
	size_t count = 0;

	if (disks_begin(project, &pool, &tree, err) < 0 || check_freeze(project, err) < 0 ||
	    shorten(project, pool, &tree, LONG_CHAIN, err) < 0 ||
	    disks_make_overlay(project, pool, &tree, tree_volume_of(definition->disk), &overlay,
			       err) < 0 ||
	    freeze(project, pool, overlay, NULL, err) < 0)
		return -1;
	*ret_layers = NULL;
	for (char *const *layer = definition->layers; *layer; layer++)
		disks_list_add(ret_layers, &count, *layer);
	return 0;
}

static int sync_guest(const struct project *project, int *ret_status, struct error *err)
{
	_cleanup_access_ struct project_access access = {0};
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;

	if (project_find_access(project, &access, err) < 0)
		return -1;
	return ssh_script(&access.access, "sync", ANSWER_MAX, &answer, ret_status, err);
}

void disks_sync(const struct project *project)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	int status = 0;

	if (!project->domain.handle ||
	    domain_current_state(project->domain.handle) != DOMAIN_RUNNING)
		return;
	if (sync_guest(project, &status, &why) < 0)
		log_warning("the guest was not asked to write out its files: %s", why.message);
	else if (status)
		log_warning("the guest has not written out its files");
}

int disks_forget(struct project *project, const char *name, struct error *err)
{
	_cleanup_pool_ virStoragePoolPtr pool = NULL;
	_cleanup_tree_ struct tree tree = {0};

	if (disks_begin(project, &pool, &tree, err) < 0 ||
	    !disks_require_snapshot(project, name, err))
		return -1;
	snapshots_remove(&project->domain.definition.snapshots, name);
	if (disks_redefine(project, err) < 0)
		return -1;
	return disks_sweep(project, pool, &tree, err);
}
