/*
 * The record of a running gateway. Root writes it, the program reads it: it is how the program
 * knows that the hook really ran, and where the guest is reached.
 */
#include "hook/protocol.h"

#include <fcntl.h>
#include <json-c/json.h>

#include "base/file.h"
#include "base/text.h"

static const struct {
	const char *key;
	size_t offset; /* of the char * in struct record */
	bool optional; /* older hooks do not write it */
} texts[] = {
	{"name", offsetof(struct record, name), false},
	{"uuid", offsetof(struct record, uuid), false},
	{"directory", offsetof(struct record, directory), false},
	{"hook_version", offsetof(struct record, hook_version), false},
	{"netns", offsetof(struct record, netns), false},
	{"tap", offsetof(struct record, tap), false},
	{"control_address", offsetof(struct record, control_address), false},
	{"uplink", offsetof(struct record, uplink), false},
	{"started", offsetof(struct record, started), false},
	{"ends", offsetof(struct record, ends), true},
	{"wire", offsetof(struct record, wire), true},
	{"tunnel", offsetof(struct record, tunnel), true},
	{"policy", offsetof(struct record, policy), true},
};

static char **slot(struct record *record, size_t index)
{
	return (char **)((char *)record + texts[index].offset);
}

static const char *value(const struct record *record, size_t index)
{
	return *(const char *const *)((const char *)record + texts[index].offset);
}

char *record_format(const struct record *record)
{
	json_object *root = json_object_new_object();
	char *text;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (value(record, i))
			json_object_object_add(root, texts[i].key,
					       json_object_new_string(value(record, i)));
	json_object_object_add(root, "owner", json_object_new_int64(record->owner));
	text = text_format("%s\n",
			   json_object_to_json_string_ext(
				   root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
	return text;
}

static int fill(json_object *root, struct record *record, struct error *err)
{
	json_object *member;
	int64_t owner;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		bool found = json_object_object_get_ex(root, texts[i].key, &member);

		if (!found && texts[i].optional)
			continue;
		if (!found || !json_object_is_type(member, json_type_string))
			return error_set(err, EX_DATAERR, "record: %s is missing", texts[i].key);
		text_replace(slot(record, i), json_object_get_string(member));
	}
	if (!json_object_object_get_ex(root, "owner", &member) ||
	    !json_object_is_type(member, json_type_int))
		return error_set(err, EX_DATAERR, "record: owner is missing");
	owner = json_object_get_int64(member);
	if (owner < 0 || owner >= (uid_t)-1)
		return error_set(err, EX_DATAERR, "record: owner is out of range");
	record->owner = (uid_t)owner;
	if (!name_is_valid(record->name) || !uuid_is_valid(record->uuid))
		return error_set(err, EX_DATAERR, "record: name or uuid is not valid");
	return 0;
}

int record_parse(const char *text, struct record *ret_record, struct error *err)
{
	_cleanup_record_ struct record record = {0};
	json_object *root = json_tokener_parse(text);
	int result;

	if (!json_object_is_type(root, json_type_object))
		result = error_set(err, EX_DATAERR, "record: not a JSON object");
	else
		result = fill(root, &record, err);
	json_object_put(root);
	if (result < 0)
		return -1;
	*ret_record = record;
	record = (struct record){0};
	return 0;
}

int record_load(const char *name, struct record *ret_record, struct error *err)
{
	_cleanup_free_ char *path = text_format(RUN_DIR "/%s/" RECORD_FILE, name);
	_cleanup_free_ char *text = NULL;

	if (!name_is_valid(name))
		return error_set(err, EX_USAGE, "%.64s is no sandbox name", name);
	if (file_read(AT_FDCWD, path, RECORD_MAX, &text, NULL, err) < 0)
		return -1;
	if (record_parse(text, ret_record, err) < 0)
		return error_prefix(err, "%s", path);
	return 0;
}

void record_done(struct record *record)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(*slot(record, i));
	*record = (struct record){0};
}
