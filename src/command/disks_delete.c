/*
 * Deleting a sandbox's disks. A frozen one may lie below those of forks: it stays until the last of
 * them goes, and then goes with it, also when the sandbox that has frozen it was destroyed long
 * ago. What lies over what the disks say themselves, at that moment.
 */
#include "command/disks_change.h"

#include <libvirt/virterror.h>

#include "base/log.h"
#include "base/text.h"
#include "box/installed.h"
#include "hook/disks.h"

/*
 * A disk of @uuid that lies below one of another sandbox's. At most @depth disks lie over each
 * other, whatever a disk says that a QEMU has written: it may say that it lies over itself.
 */
static bool is_shared(const struct tree *tree, const char *uuid, const char *name, size_t depth)
{
	for (size_t i = 0; depth > 0 && i < tree->count; i++) {
		const struct tree_item *item = &tree->items[i];

		if (text_equal(item->backing, name) &&
		    (!disk_name_parse(item->name, uuid, NULL) ||
		     is_shared(tree, uuid, item->name, depth - 1)))
			return true;
	}
	return false;
}

static int delete_own(virStoragePoolPtr pool, struct tree *tree, const char *uuid,
		      unsigned int *ret_kept, struct error *err)
{
	*ret_kept = 0;
	for (size_t i = 0; i < tree->count;) {
		const char *name = tree->items[i].name;

		if (!disk_name_parse(name, uuid, NULL)) {
			i++;
		} else if (is_shared(tree, uuid, name, tree->count)) {
			++*ret_kept;
			i++;
		} else {
			if (pool_delete(pool, name, err) < 0)
				return -1;
			tree_forget(tree, name); /* another takes its place */
		}
	}
	return 0;
}

/* Whether the sandbox that has frozen the disk @name is still there. */
static bool has_sandbox(virConnectPtr connection, const char *name)
{
	_cleanup_free_ char *uuid = text_dup_n(name + strlen("disk-"), UUID_TEXT_LENGTH);
	virDomainPtr domain = virDomainLookupByUUIDString(connection, uuid);
	virErrorPtr error = virGetLastError();

	if (!domain)
		return !error || error->code != VIR_ERR_NO_DOMAIN;
	virDomainFree(domain);
	return true;
}

int disks_delete_foreign(virStoragePoolPtr pool, struct tree *tree, const char *uuid,
			 char *const *layers, struct error *err)
{
	for (; layers && *layers; layers++) {
		const char *name = tree_volume_of(*layers);

		if (!name || !disk_name_parse(name, NULL, NULL) ||
		    disk_name_parse(name, uuid, NULL) || tree_child(tree, name) ||
		    has_sandbox(virStoragePoolGetConnect(pool), name))
			continue;
		if (pool_delete(pool, name, err) < 0)
			return -1;
		tree_forget(tree, name);
	}
	return 0;
}

int disks_delete(virStoragePoolPtr pool, const char *uuid, char *const *layers,
		 unsigned int *ret_kept, struct error *err)
{
	_cleanup_tree_ struct tree tree = {0};

	if (tree_load(pool, &tree, err) < 0 || delete_own(pool, &tree, uuid, ret_kept, err) < 0)
		return -1;
	return disks_delete_foreign(pool, &tree, uuid, layers, err);
}

/* The next one, top down: what lies below it is one when it has been forgotten. */
static const char *find_orphan(virConnectPtr connection, const struct tree *tree)
{
	for (size_t i = 0; i < tree->count; i++) {
		const char *name = tree->items[i].name;

		if (disk_name_parse(name, NULL, NULL) && !tree_child(tree, name) &&
		    !has_sandbox(connection, name))
			return name;
	}
	return NULL;
}

int disks_find_orphans(virStoragePoolPtr pool, char ***ret_names, struct error *err)
{
	_cleanup_list_ char **names = xcalloc(1, sizeof(*names));
	_cleanup_tree_ struct tree tree = {0};
	const char *name;
	size_t count = 0;

	if (tree_load(pool, &tree, err) < 0)
		return -1;
	while ((name = find_orphan(virStoragePoolGetConnect(pool), &tree))) {
		disks_list_add(&names, &count, name);
		tree_forget(&tree, name);
	}
	*ret_names = take_ptr(names);
	return 0;
}

/* Also whoever's definition names it, whatever the disks may say: a guest's QEMU can write those.
 */
static int is_orphan(virStoragePoolPtr pool, const struct tree *tree, const char *name,
		     bool *ret_is, struct error *err)
{
	virConnectPtr connection = virStoragePoolGetConnect(pool);
	_cleanup_list_ char **users = NULL;

	*ret_is = false;
	if (!tree_find(tree, name) || tree_child(tree, name) || has_sandbox(connection, name))
		return 0;
	if (box_users(connection, pool, name, &users, err) < 0)
		return -1;
	if (users[0])
		log_info("%s is in use by %s", name, users[0]);
	*ret_is = !users[0];
	return 0;
}

int disks_delete_orphans(virStoragePoolPtr pool, char *const *names, struct error *err)
{
	_cleanup_tree_ struct tree tree = {0};

	if (tree_load(pool, &tree, err) < 0)
		return -1;
	for (; *names; names++) {
		bool is = false;

		if (is_orphan(pool, &tree, *names, &is, err) < 0)
			return -1;
		if (!is)
			continue;
		if (pool_delete(pool, *names, err) < 0)
			return -1;
		log_step("deleted %s", *names);
		tree_forget(&tree, *names);
	}
	return 0;
}
