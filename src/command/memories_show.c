/* Memory is large beside all else that a snapshot keeps, so it is shown where space is looked for.
 */
#include "command/memories_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/text.h"
#include "box/pool.h"
#include "domain/libvirt.h"
#include "domain/list.h"

/* Bytes on the disk, or NULL when it is not there. */
static json_object *allocated(virStoragePoolPtr pool, const char *name)
{
	virStorageVolPtr volume = virStorageVolLookupByName(pool, name);
	virStorageVolInfo info;
	int found = volume ? virStorageVolGetInfo(volume, &info) : -1;

	if (volume)
		virStorageVolFree(volume);
	return found == 0 ? json_object_new_uint64(info.allocation) : NULL;
}

static void add_sandbox(json_object *list, virStoragePoolPtr pool, const struct listed *sandbox)
{
	const struct snapshots *snapshots = &sandbox->domain.definition.snapshots;

	for (size_t i = 0; i < snapshots->count; i++) {
		const struct snapshot *snapshot = &snapshots->items[i];
		json_object *object;

		if (!snapshot->memory)
			continue;
		object = json_object_new_object();
		json_object_object_add(object, "sandbox", json_object_new_string(sandbox->name));
		json_object_object_add(object, "snapshot", json_object_new_string(snapshot->name));
		json_object_object_add(object, "allocated_bytes",
				       allocated(pool, snapshot->memory));
		json_object_array_add(list, object);
	}
}

json_object *memories_json(void)
{
	_cleanup_error_ struct error absent = ERROR_INIT;
	json_object *list = json_object_new_array();
	_cleanup_connection_ virConnectPtr connection = NULL;
	_cleanup_pool_ virStoragePoolPtr pool = NULL;
	_cleanup_domain_list_ struct domain_list sandboxes = {0};

	if (libvirt_connect(&connection, &absent) < 0 ||
	    pool_open(connection, &pool, &absent) < 0 ||
	    domain_list(connection, getuid(), getuid() == 0, &sandboxes, &absent) < 0)
		return list;
	for (size_t i = 0; i < sandboxes.count; i++)
		add_sandbox(list, pool, &sandboxes.items[i]);
	return list;
}

void memories_print(json_object *list)
{
	size_t count = json_object_array_length(list);

	if (count)
		printf("\n%-32s %10s\n", "MEMORY OF A SNAPSHOT", "ON DISK");
	for (size_t i = 0; i < count; i++) {
		json_object *entry = json_object_array_get_idx(list, i);
		json_object *size = json_object_object_get(entry, "allocated_bytes");
		_cleanup_free_ char *name = text_format(
			"%s/%s", json_object_get_string(json_object_object_get(entry, "sandbox")),
			json_object_get_string(json_object_object_get(entry, "snapshot")));

		if (size)
			printf("%-32s %10" PRIu64 "\n", name, json_object_get_uint64(size) >> 20);
		else
			printf("%-32s %10s\n", name, "missing");
	}
}
