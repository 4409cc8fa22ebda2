/* One JSON document says what snapshots there are; lines for people are made from it. */
#include "command/snapshot_show.h"

#include "base/text.h"

static json_object *snapshot_json(const struct snapshot *snapshot)
{
	json_object *object = json_object_new_object();

	json_object_object_add(object, "name", json_object_new_string(snapshot->name));
	json_object_object_add(object, "created", json_object_new_string(snapshot->created));
	json_object_object_add(object, "running", json_object_new_boolean(snapshot->running));
	json_object_object_add(object, "memory", json_object_new_boolean(snapshot->memory != NULL));
	json_object_object_add(object, "text",
			       snapshot->text ? json_object_new_string(snapshot->text) : NULL);
	return object;
}

json_object *snapshots_json(const struct snapshots *snapshots)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < snapshots->count; i++)
		json_object_array_add(list, snapshot_json(&snapshots->items[i]));
	return list;
}

static const char *member(json_object *entry, const char *key)
{
	json_object *value = NULL;

	json_object_object_get_ex(entry, key, &value);
	return value ? json_object_get_string(value) : NULL;
}

char *snapshot_line(json_object *entry)
{
	const char *name = member(entry, "name");
	const char *text = member(entry, "text");

	if (!text && text_equal(name, SNAPSHOT_UP))
		text = "the state after 'up'";
	return text_format("%-16s %s %s%s%s", name, member(entry, "created"),
			   text_equal(member(entry, "memory"), "true")	  ? "memory "
			   : text_equal(member(entry, "running"), "true") ? "running"
									  : "halted ",
			   text ? "  " : "", text ? text : "");
}
