/*
 * The memory of mounts, as JSON that root alone writes and reads.
 */
#include "share/made.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"

#define BAD	 EX_DATAERR
#define MADE_MAX (1024 * 1024)

static const struct {
	const char *key;
	size_t offset;
} texts[] = {
	{"tag", offsetof(struct made, tag)},	 {"path", offsetof(struct made, path)},
	{"image", offsetof(struct made, image)}, {"source", offsetof(struct made, source)},
	{"shown", offsetof(struct made, shown)},
};

static char **slot(struct made *made, size_t index)
{
	return (char **)((char *)made + texts[index].offset);
}

static const char *value(const struct made *made, size_t index)
{
	return *(const char *const *)((const char *)made + texts[index].offset);
}

char *made_describe(const struct mount_entry *entry)
{
	return text_format("%u:%u %s %s %s", entry->major, entry->minor, entry->root,
			   entry->options, entry->type);
}

static json_object *format_one(const struct made *made)
{
	json_object *object = json_object_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		json_object_object_add(object, texts[i].key,
				       json_object_new_string(value(made, i)));
	json_object_object_add(object, "size", json_object_new_int64((int64_t)made->size));
	json_object_object_add(object, "uid", json_object_new_int64(made->uid));
	json_object_object_add(object, "gid", json_object_new_int64(made->gid));
	json_object_object_add(object, "source-id", json_object_new_int64(made->source_id));
	json_object_object_add(object, "shown-id", json_object_new_int64(made->shown_id));
	return object;
}

char *made_format(const struct made_list *list)
{
	json_object *root = json_object_new_array();
	char *text;

	for (size_t i = 0; i < list->count; i++)
		json_object_array_add(root, format_one(&list->items[i]));
	text = text_format("%s\n",
			   json_object_to_json_string_ext(
				   root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
	return text;
}

static int read_number(json_object *object, const char *key, int64_t min, int64_t max,
		       int64_t *ret_number, struct error *err)
{
	json_object *member;

	if (!json_object_object_get_ex(object, key, &member) ||
	    !json_object_is_type(member, json_type_int))
		return error_set(err, BAD, "%s is missing", key);
	*ret_number = json_object_get_int64(member);
	if (*ret_number < min || *ret_number > max)
		return error_set(err, BAD, "%s is out of range", key);
	return 0;
}

static int read_numbers(json_object *object, struct made *made, struct error *err)
{
	const int64_t id_max = (int64_t)((uid_t)-1) - 1;
	int64_t size, uid, gid, source, shown;

	if (read_number(object, "size", 0, INT64_MAX, &size, err) < 0 ||
	    read_number(object, "uid", 0, id_max, &uid, err) < 0 ||
	    read_number(object, "gid", 0, id_max, &gid, err) < 0 ||
	    read_number(object, "source-id", -1, INT32_MAX, &source, err) < 0 ||
	    read_number(object, "shown-id", -1, INT32_MAX, &shown, err) < 0)
		return -1;
	made->size = (uint64_t)size;
	made->uid = (uid_t)uid;
	made->gid = (gid_t)gid;
	made->source_id = (int)source;
	made->shown_id = (int)shown;
	return 0;
}

static int read_one(json_object *object, struct made *made, struct error *err)
{
	json_object *member;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (!json_object_object_get_ex(object, texts[i].key, &member) ||
		    !json_object_is_type(member, json_type_string))
			return error_set(err, BAD, "%s is missing", texts[i].key);
		text_replace(slot(made, i), json_object_get_string(member));
	}
	return read_numbers(object, made, err);
}

static int read_all(json_object *root, struct made_list *list, struct error *err)
{
	size_t count;

	if (!json_object_is_type(root, json_type_array))
		return error_set(err, BAD, "not a JSON array");
	count = json_object_array_length(root);
	if (count > SHARE_MAX)
		return error_set(err, BAD, "more than %d shares", SHARE_MAX);
	for (size_t i = 0; i < count; i++) {
		list->count = i + 1;
		if (read_one(json_object_array_get_idx(root, i), &list->items[i], err) < 0)
			return -1;
	}
	return 0;
}

int made_parse(const char *text, struct made_list *ret_list, struct error *err)
{
	_cleanup_made_ struct made_list list = {0};
	json_object *root = json_tokener_parse(text);
	int result = read_all(root, &list, err);

	json_object_put(root);
	if (result < 0)
		return -1;
	*ret_list = list;
	list = (struct made_list){0};
	return 0;
}

static char *made_path(const char *name)
{
	return text_format("/run/migrant/%s/" MADE_FILE, name);
}

int made_store(const char *name, const struct made_list *list, struct error *err)
{
	_cleanup_free_ char *path = made_path(name);
	_cleanup_free_ char *text = made_format(list);

	return file_replace(AT_FDCWD, path, text, strlen(text), 0600, err);
}

int made_load(const char *name, struct made_list *ret_list, struct error *err)
{
	_cleanup_free_ char *path = made_path(name);
	_cleanup_free_ char *text = NULL;

	if (file_read(AT_FDCWD, path, MADE_MAX, &text, NULL, err) < 0)
		return -1;
	if (made_parse(text, ret_list, err) < 0)
		return error_prefix(err, "%s", path);
	return 0;
}

void made_list_done(struct made_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		for (size_t j = 0; j < ARRAY_SIZE(texts); j++)
			free(*slot(&list->items[i], j));
	*list = (struct made_list){0};
}
