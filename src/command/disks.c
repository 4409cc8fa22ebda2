/*
 * A snapshot is nothing but a volume that is not written to any more: the sandbox goes on in an
 * overlay over it. So the order of every change is: the new volume, then the definition, which says
 * in one step which disk is in use and what the snapshots are, then the volume that nobody needs
 * any more. Killed anywhere in between there is a volume too many, and never one too few; the next
 * command takes it away.
 */
#include "command/disks.h"

#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "command/guest_shares.h"
#include "command/memories.h"
#include "command/volumes.h"
#include "domain/libvirt.h"
#include "domain/pivot.h"
#include "hook/disks.h"

#define ANSWER_MAX   4096
#define LONG_CHAIN   8	  /* layers */
#define PULL_SECONDS 3600 /* for all of a disk, if need be */

static struct definition *definition_of(struct project *project)
{
	return &project->domain.definition;
}

static const char *uuid_of(const struct project *project)
{
	return project->domain.definition.metadata.uuid;
}

/* As begin() has found it: what was true when the command began may be no more. */
static bool is_active(const struct project *project)
{
	return project->domain.state == DOMAIN_RUNNING || project->domain.state == DOMAIN_PAUSED;
}

int disks_require_made(const struct project *project, struct error *err)
{
	if (project->domain.handle && project->domain.definition.metadata.booted)
		return 0;
	error_set(err, EXIT_STATE, "the sandbox '%s' has not been made (%s)", project->config.name,
		  domain_state_name(project->domain.state));
	return error_hint(err, "make it: migrant up");
}

/* Puts what definition_of() says by now into the domain's definition. */
static int redefine(struct project *project, struct error *err)
{
	_cleanup_free_ char *before = virDomainGetXMLDesc(
		project->domain.handle, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
	_cleanup_free_ char *after = NULL;

	if (!before)
		return libvirt_error(err, EX_SOFTWARE, "cannot read the domain");
	if (definition_edit(before, definition_of(project), &after, err) < 0)
		return -1;
	return domain_define(project->connection, after, NULL, err);
}

static int read_live(const struct project *project, struct definition *ret_live, struct error *err)
{
	_cleanup_free_ char *xml = virDomainGetXMLDesc(project->domain.handle, 0);

	if (!xml)
		return libvirt_error(err, EX_SOFTWARE, "cannot read the domain");
	return definition_parse(xml, ret_live, err);
}

/* The volume that the guest writes to if it runs, whatever the definition says. */
static int live_disk(const struct project *project, char **ret_name, struct error *err)
{
	_cleanup_definition_ struct definition live = {0};

	if (read_live(project, &live, err) < 0)
		return -1;
	*ret_name = text_dup(tree_volume_of(live.disk));
	return 0;
}

static bool is_frozen(const struct snapshots *snapshots, const char *volume)
{
	for (size_t i = 0; i < snapshots->count; i++)
		if (text_equal(snapshots->items[i].layer, volume))
			return true;
	return false;
}

/* A disk of the sandbox's that nothing names and nothing lies over, or NULL. */
static const char *find_needless(const struct project *project, const struct tree *tree,
				 const char *live)
{
	const struct definition *definition = &project->domain.definition;

	for (size_t i = 0; i < tree->count; i++) {
		const char *name = tree->items[i].name;

		if (disk_name_parse(name, definition->metadata.uuid, NULL) &&
		    !text_equal(name, tree_volume_of(definition->disk)) &&
		    !text_equal(name, live) && !is_frozen(&definition->snapshots, name) &&
		    !tree_child(tree, name))
			return name;
	}
	return NULL;
}

static int sweep(struct project *project, virStoragePoolPtr pool, struct tree *tree,
		 struct error *err)
{
	_cleanup_free_ char *live = NULL;
	const char *name;

	if (live_disk(project, &live, err) < 0 || memories_sweep(project, pool, err) < 0)
		return -1;
	while ((name = find_needless(project, tree, live))) {
		if (pool_delete(pool, name, err) < 0)
			return -1;
		tree_forget(tree, name);
	}
	return 0;
}

/*
 * When libvirt could not write down that the disk has changed, it has forgotten that after its next
 * start. What a guest writes to is its disk.
 */
static int believe_guest(struct project *project, struct error *err)
{
	_cleanup_definition_ struct definition live = {0};
	struct definition *definition = definition_of(project);

	if (!is_active(project))
		return 0;
	if (read_live(project, &live, err) < 0)
		return -1;
	if (!live.disk || !live.layers || text_equal(live.disk, definition->disk))
		return 0;
	free(definition->disk);
	definition->disk = take_ptr(live.disk);
	free_list(definition->layers);
	definition->layers = take_ptr(live.layers);
	return redefine(project, err);
}

/* What every change begins with: the pool, what is in it, and nothing that is left from before. */
static int begin(struct project *project, virStoragePoolPtr *ret_pool, struct tree *ret_tree,
		 struct error *err)
{
	if (disks_require_made(project, err) < 0)
		return -1;
	project->domain.state = domain_current_state(project->domain.handle);
	if (believe_guest(project, err) < 0 || pool_open(project->connection, ret_pool, err) < 0 ||
	    tree_load(*ret_pool, ret_tree, err) < 0)
		return -1;
	return sweep(project, *ret_pool, ret_tree, err);
}

static int next_name(const struct project *project, const struct tree *tree, char **ret_name,
		     struct error *err)
{
	uint64_t last = 0, number;

	for (size_t i = 0; i < tree->count; i++)
		if (disk_name_parse(tree->items[i].name, uuid_of(project), &number) &&
		    number > last)
			last = number;
	if (last == DISK_NUMBER_MAX)
		return error_set(err, EX_CANTCREAT, "the sandbox had too many snapshots");
	*ret_name = text_format("disk-%s-%u.qcow2", uuid_of(project), (unsigned int)(last + 1));
	return 0;
}

/* A new overlay over the disk @layer. */
static int make_overlay(const struct project *project, virStoragePoolPtr pool,
			const struct tree *tree, const char *layer, char **ret_name,
			struct error *err)
{
	_cleanup_free_ char *name = NULL;

	if (next_name(project, tree, &name, err) < 0)
		return -1;
	if (pool_make_overlay(pool, name, layer, "qcow2", 0, err) < 0)
		return error_prefix(err, "cannot make the sandbox's next disk");
	*ret_name = take_ptr(name);
	return 0;
}

static void list_add(char ***list, size_t *count, const char *text)
{
	*list = xreallocarray(*list, *count + 2, sizeof(**list));
	(*list)[(*count)++] = text_dup(text);
	(*list)[*count] = NULL;
}

/* Among what lies below the sandbox's disk, the first that is not its own. */
static char *const *find_foreign(const struct definition *definition)
{
	char *const *layer = definition->layers;

	while (*layer && disk_name_parse(tree_volume_of(*layer), definition->metadata.uuid, NULL))
		layer++;
	return layer;
}

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

/*
 * The paths of what lies below an overlay over @layer. What the sandbox has not frozen itself is as
 * its definition says, whatever the disks may say: a QEMU that was broken into can write those.
 */
static int find_chain(const struct project *project, const struct tree *tree, const char *layer,
		      char ***ret_chain, struct error *err)
{
	const struct definition *definition = &project->domain.definition;
	char *const *foreign = find_foreign(definition);
	const char *bottom = tree_volume_of(*foreign ? *foreign : definition->base);
	_cleanup_list_ char **chain = xcalloc(1, sizeof(*chain));
	size_t count = 0;

	for (; layer && !text_equal(layer, bottom); layer = tree_find(tree, layer)->backing) {
		_cleanup_free_ char *path = pool_path(layer);

		if (!disk_name_parse(layer, definition->metadata.uuid, NULL) ||
		    !tree_find(tree, layer) || count == DISK_LAYERS_MAX)
			return error_set(err, EX_DATAERR, "the disk %s, which it needs, has gone",
					 layer);
		list_add(&chain, &count, path);
	}
	if (!layer)
		return error_set(err, EX_DATAERR, "its disk lies over another base");
	for (; *foreign; foreign++)
		list_add(&chain, &count, *foreign);
	*ret_chain = take_ptr(chain);
	return 0;
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

/*
 * What a long chain is cut down to: the newest layer that a snapshot names, or, when there is no
 * room for another one, the lowest. The index among the layers, or 0: it stays as it is.
 */
static size_t find_cut(const struct definition *definition, size_t longest)
{
	size_t depth = depth_of(definition);
	size_t cut = 0;

	if (depth < longest)
		return 0;
	while (cut + 1 < depth &&
	       !is_frozen(&definition->snapshots, tree_volume_of(definition->layers[cut])))
		cut++;
	return cut == 0 && depth == DISK_LAYERS_MAX ? depth - 1 : cut;
}

/*
 * Every layer costs a look at each read of the guest. Only a QEMU that has the disk open can join
 * them: what lies between is copied into the disk, and stays where a snapshot or a fork needs it.
 */
static int shorten(struct project *project, virStoragePoolPtr pool, struct tree *tree,
		   size_t longest, struct error *err)
{
	struct definition *definition = definition_of(project);
	size_t cut = is_active(project) ? find_cut(definition, longest) : 0;
	size_t depth;

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
	depth = depth_of(definition);
	for (size_t i = 0; i < cut; i++)
		free(definition->layers[i]);
	memmove(definition->layers, definition->layers + cut,
		(depth - cut + 1) * sizeof(*definition->layers));
	if (redefine(project, err) < 0)
		return -1;
	tree_done(tree);
	return tree_load(pool, tree, err) < 0 ? -1 : sweep(project, pool, tree, err);
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

/* Nothing names it yet. What cannot be deleted, the next command takes away. */
static int discard(virStoragePoolPtr pool, const char *overlay)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;

	(void)!pool_delete(pool, overlay, &ignored);
	return -1;
}

/* Lets the sandbox go on in the volume @overlay, and enters the snapshot if there is one. */
static int freeze(struct project *project, virStoragePoolPtr pool, const char *overlay,
		  const struct snapshot *snapshot, struct error *err)
{
	_cleanup_free_ char *path = pool_path(overlay);
	_cleanup_free_ char *memory =
		snapshot && snapshot->memory ? pool_path(snapshot->memory) : NULL;
	struct definition *definition = definition_of(project);
	bool runs = is_active(project);

	/* Not to learn that a definition cannot be written when the guest has its new disk. */
	if ((runs && redefine(project, err) < 0) ||
	    (snapshot && snapshots_add(&definition->snapshots, snapshot, err) < 0) ||
	    (runs && domain_pivot(project->domain.handle, path, memory, err) < 0))
		return discard(pool, overlay);
	push_disk(definition, take_ptr(path));
	if (redefine(project, err) < 0)
		return runs ? -1 : discard(pool, overlay);
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
		return discard(pool, overlay);
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

	if (begin(project, &pool, &tree, err) < 0 || check_name(project, name, err) < 0 ||
	    check_freeze(project, err) < 0 || clock_text(time(NULL), &snapshot.created, err) < 0)
		return -1;
	snapshot.running = is_active(project);
	snapshot.layer = text_dup(tree_volume_of(definition_of(project)->disk));
	if (snapshot_check(&snapshot, err) < 0 ||
	    shorten(project, pool, &tree, longest_for(name), err) < 0 ||
	    make_overlay(project, pool, &tree, snapshot.layer, &overlay, err) < 0)
		return -1;
	return with_memory ? freeze_with_memory(project, pool, overlay, &snapshot, err)
			   : freeze(project, pool, overlay, &snapshot, err);
}

int disks_share(struct project *project, char ***ret_layers, struct error *err)
{
	_cleanup_pool_ virStoragePoolPtr pool = NULL;
	_cleanup_tree_ struct tree tree = {0};
	_cleanup_free_ char *overlay = NULL;
	const struct definition *definition = definition_of(project);
	size_t count = 0;

	if (begin(project, &pool, &tree, err) < 0 || check_freeze(project, err) < 0 ||
	    shorten(project, pool, &tree, LONG_CHAIN, err) < 0 ||
	    make_overlay(project, pool, &tree, tree_volume_of(definition->disk), &overlay, err) <
		    0 ||
	    freeze(project, pool, overlay, NULL, err) < 0)
		return -1;
	*ret_layers = NULL;
	for (char *const *layer = definition->layers; *layer; layer++)
		list_add(ret_layers, &count, *layer);
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

static const struct snapshot *require_snapshot(const struct project *project, const char *name,
					       struct error *err)
{
	const struct snapshot *snapshot =
		snapshots_find(&project->domain.definition.snapshots, name);

	if (snapshot)
		return snapshot;
	error_set(err, EX_NOINPUT, "the sandbox '%s' has no snapshot '%s'", project->config.name,
		  name);
	error_hint(err, "'migrant snapshot list' shows them");
	return NULL;
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
	for (char *const *layer = find_foreign(definition); *layer; layer++)
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
	const struct snapshot *snapshot = require_snapshot(project, name, err);

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
	struct definition *definition = definition_of(project);
	const char *layer = NULL;

	if (begin(project, &pool, &tree, err) < 0 ||
	    check_back(project, pool, &tree, name, &layer, &chain, err) < 0 ||
	    make_overlay(project, pool, &tree, layer, &overlay, err) < 0)
		return -1;
	/* first as it is: no guest is ended for a definition that cannot be written */
	if (redefine(project, err) < 0 || stop(project, err) < 0)
		return discard(pool, overlay);
	free(definition->disk);
	definition->disk = pool_path(overlay);
	free_list(definition->layers);
	definition->layers = take_ptr(chain);
	if (redefine(project, err) < 0)
		return -1;
	tree_done(&tree);
	return tree_load(pool, &tree, err) < 0 ? -1 : sweep(project, pool, &tree, err);
}

int disks_forget(struct project *project, const char *name, struct error *err)
{
	_cleanup_pool_ virStoragePoolPtr pool = NULL;
	_cleanup_tree_ struct tree tree = {0};

	if (begin(project, &pool, &tree, err) < 0 || !require_snapshot(project, name, err))
		return -1;
	snapshots_remove(&definition_of(project)->snapshots, name);
	if (redefine(project, err) < 0)
		return -1;
	return sweep(project, pool, &tree, err);
}
