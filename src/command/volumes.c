/*
 * Naming by UUID makes the volumes of a dead or half-made sandbox recognisable, and two sandboxes
 * of the same name, one after the other, never share one.
 */
#include "command/volumes.h"

#include "base/text.h"
#include "hook/disks.h"

static const struct {
	const char *prefix, *suffix;
} kinds[] = {
	[VOLUME_DISK] = {"disk-", ".qcow2"},
	[VOLUME_SEED] = {"seed-", ".iso"},
	[VOLUME_KERNEL] = {"kernel-", ""},
	[VOLUME_INITRD] = {"initrd-", ""},
};

_Static_assert(ARRAY_SIZE(kinds) == VOLUME_KINDS, "every kind of volume has a name");

char *sandbox_volume_name(enum volume_kind kind, const char *uuid)
{
	return text_format("%s%s%s", kinds[kind].prefix, uuid, kinds[kind].suffix);
}

char *sandbox_volume_path(enum volume_kind kind, const char *uuid)
{
	_cleanup_free_ char *name = sandbox_volume_name(kind, uuid);

	return pool_path(name);
}

int sandbox_volume_delete(virStoragePoolPtr pool, enum volume_kind kind, const char *uuid,
			  struct error *err)
{
	_cleanup_free_ char *name = sandbox_volume_name(kind, uuid);

	return pool_delete(pool, name, err);
}

/* Disks may be needed by other sandboxes, see command/disks.c. */
static int delete_no_disk(virStoragePoolPtr pool, const char *name, struct error *err)
{
	return disk_name_parse(name, NULL, NULL) ? 0 : pool_delete(pool, name, err);
}

/* Calls @each for the volumes of @uuid until it fails. */
static int for_each(virStoragePoolPtr pool, const char *uuid,
		    int (*each)(virStoragePoolPtr pool, const char *name, struct error *err),
		    int *ret_count, struct error *err)
{
	char **names = NULL;
	int result = 0;
	int count = 0;

	if (pool_list(pool, "", &names, err) < 0)
		return -1;
	for (char **name = names; *name; name++) {
		if (!strstr(*name, uuid))
			continue;
		count++;
		if (each && each(pool, *name, err) < 0) {
			result = -1;
			break;
		}
	}
	free_list(names);
	*ret_count = count;
	return result;
}

int sandbox_volumes_delete(virStoragePoolPtr pool, const char *uuid, struct error *err)
{
	int count;

	return for_each(pool, uuid, delete_no_disk, &count, err);
}

int sandbox_volumes_count(virStoragePoolPtr pool, const char *uuid, struct error *err)
{
	int count;

	return for_each(pool, uuid, NULL, &count, err) < 0 ? -1 : count;
}
