/*
 * What every change of a sandbox's disks begins with: nothing that an earlier one has left; and
 * what it is made of: a new overlay, a new definition, what nobody needs any more.
 */
#include "command/disks_change.h"

#include "base/text.h"
#include "command/memories.h"
#include "command/volumes.h"
#include "domain/libvirt.h"
#include "hook/disks.h"

static const char *uuid_of(const struct project *project)
{
	return project->domain.definition.metadata.uuid;
}

int disks_require_made(const struct project *project, struct error *err)
{
	if (project->domain.handle && project->domain.definition.metadata.booted)
		return 0;
	error_set(err, EXIT_STATE, "the sandbox '%s' has not been made (%s)", project->config.name,
		  domain_state_name(project->domain.state));
	return error_hint(err, "make it: migrant up");
}

int disks_redefine(struct project *project, struct error *err)
{
	_cleanup_free_ char *before = virDomainGetXMLDesc(
		project->domain.handle, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
	_cleanup_free_ char *after = NULL;

	if (!before)
		return libvirt_error(err, EX_SOFTWARE, "cannot read the domain");
	if (definition_edit(before, &project->domain.definition, &after, err) < 0)
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

bool disk_is_frozen(const struct snapshots *snapshots, const char *volume)
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
		    !text_equal(name, live) && !disk_is_frozen(&definition->snapshots, name) &&
		    !tree_child(tree, name))
			return name;
	}
	return NULL;
}

int disks_sweep(struct project *project, virStoragePoolPtr pool, struct tree *tree,
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
	struct definition *definition = &project->domain.definition;

	if (!project_has_guest(project))
		return 0;
	if (read_live(project, &live, err) < 0)
		return -1;
	if (!live.disk || !live.layers || text_equal(live.disk, definition->disk))
		return 0;
	free(definition->disk);
	definition->disk = take_ptr(live.disk);
	free_list(definition->layers);
	definition->layers = take_ptr(live.layers);
	return disks_redefine(project, err);
}

int disks_begin(struct project *project, virStoragePoolPtr *ret_pool, struct tree *ret_tree,
		struct error *err)
{
	if (disks_require_made(project, err) < 0)
		return -1;
	project->domain.state = domain_current_state(project->domain.handle);
	/* not to take for halted what runs */
	if (project->domain.state == DOMAIN_ABSENT)
		return libvirt_error(err, EX_SOFTWARE, "cannot tell whether the guest runs");
	if (believe_guest(project, err) < 0 || pool_open(project->connection, ret_pool, err) < 0 ||
	    tree_load(*ret_pool, ret_tree, err) < 0)
		return -1;
	return disks_sweep(project, *ret_pool, ret_tree, err);
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

int disks_make_overlay(const struct project *project, virStoragePoolPtr pool,
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

int disks_discard(virStoragePoolPtr pool, const char *overlay)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;

	(void)!pool_delete(pool, overlay, &ignored);
	return -1;
}

void disks_list_add(char ***list, size_t *count, const char *text)
{
	*list = xreallocarray(*list, *count + 2, sizeof(**list));
	(*list)[(*count)++] = text_dup(text);
	(*list)[*count] = NULL;
}

char *const *disks_find_foreign(const struct definition *definition)
{
	char *const *layer = definition->layers;

	while (*layer && disk_name_parse(tree_volume_of(*layer), definition->metadata.uuid, NULL))
		layer++;
	return layer;
}

const struct snapshot *disks_require_snapshot(const struct project *project, const char *name,
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
