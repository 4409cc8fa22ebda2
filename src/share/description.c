/*
 * Descriptions of images as JSON. Root alone writes them; they are read as strictly as if others
 * could, for a disk that lies or an administrator's editor may have been at work.
 */
#include "share/description.h"

#include <json-c/json.h>

#include "base/parse.h"
#include "base/text.h"
#include "share/share.h"

#define BAD EX_DATAERR

static const struct {
	const char *key;
	size_t offset;
} texts[] = {
	{"id", offsetof(struct description, id)},
	{"sandbox", offsetof(struct description, sandbox)},
	{"directory", offsetof(struct description, directory)},
	{"identity", offsetof(struct description, identity)},
	{"share", offsetof(struct description, host)},
	{"created", offsetof(struct description, created)},
};

static char **slot(struct description *description, size_t index)
{
	return (char **)((char *)description + texts[index].offset);
}

static const char *value(const struct description *description, size_t index)
{
	return *(const char *const *)((const char *)description + texts[index].offset);
}

char *description_format(const struct description *description)
{
	json_object *root = json_object_new_object();
	char *text;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		json_object_object_add(root, texts[i].key,
				       json_object_new_string(value(description, i)));
	json_object_object_add(root, "owner", json_object_new_int64(description->owner));
	json_object_object_add(root, "size", json_object_new_int64((int64_t)description->size));
	text = text_format("%s\n",
			   json_object_to_json_string_ext(
				   root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
	return text;
}

static int read_number(json_object *root, const char *key, int64_t min, int64_t max,
		       int64_t *ret_number, struct error *err)
{
	json_object *member;

	if (!json_object_object_get_ex(root, key, &member) ||
	    !json_object_is_type(member, json_type_int))
		return error_set(err, BAD, "%s is missing", key);
	*ret_number = json_object_get_int64(member);
	if (*ret_number < min || *ret_number > max)
		return error_set(err, BAD, "%s is out of range", key);
	return 0;
}

static int read_texts(json_object *root, struct description *description, struct error *err)
{
	json_object *member;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (!json_object_object_get_ex(root, texts[i].key, &member) ||
		    !json_object_is_type(member, json_type_string) ||
		    strlen(json_object_get_string(member)) !=
			    (size_t)json_object_get_string_len(member))
			return error_set(err, BAD, "%s is missing", texts[i].key);
		text_replace(slot(description, i), json_object_get_string(member));
	}
	return 0;
}

/* The rules for a share's path are share_validate()'s. */
static int check(const struct description *description, struct error *err)
{
	static char guest[] = "/x";
	const struct share share = {
		.host = description->host,
		.guest = guest,
		.size = description->size,
		.isolate = true,
		.tag = "share0",
	};

	if (!image_id_is_valid(description->id) || !name_is_valid(description->sandbox))
		return error_set(err, BAD, "id or sandbox is not valid");
	if (description->directory[0] != '/')
		return error_set(err, BAD, "directory is not an absolute path");
	return share_validate(&share, 1, err);
}

static int fill(json_object *root, struct description *description, struct error *err)
{
	int64_t owner, size;

	if (read_texts(root, description, err) < 0 ||
	    read_number(root, "owner", 0, (int64_t)((uid_t)-1) - 1, &owner, err) < 0 ||
	    read_number(root, "size", 0, (int64_t)SHARE_SIZE_MAX, &size, err) < 0)
		return -1;
	description->owner = (uid_t)owner;
	description->size = (uint64_t)size;
	return check(description, err);
}

int description_parse(const char *text, struct description *ret_description, struct error *err)
{
	_cleanup_description_ struct description description = {0};
	json_object *root = json_tokener_parse(text);
	int result;

	if (!json_object_is_type(root, json_type_object))
		result = error_set(err, BAD, "not a JSON object");
	else
		result = fill(root, &description, err);
	json_object_put(root);
	if (result < 0)
		return -1;
	*ret_description = description;
	description = (struct description){0};
	return 0;
}

void description_done(struct description *description)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(*slot(description, i));
	*description = (struct description){0};
}
