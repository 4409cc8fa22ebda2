/*
 * The manifest of a layer: JSON in the pool, written last. What it says is compared with the volume
 * at every use, so it is read as strictly as it is written.
 */
#include <json-c/json.h>
#include <string.h>

#include "base/text.h"
#include "box/digest.h"
#include "box/pool.h"
#include "layer/layer.h"

#define VERSION	   1
#define RANDOM_HEX 16

static const struct field {
	const char *key;
	size_t offset;
} fields[] = {
	{"key", offsetof(struct layer, key)},
	{"volume", offsetof(struct layer, volume)},
	{"base", offsetof(struct layer, base)},
	{"base_format", offsetof(struct layer, base_format)},
	{"digest", offsetof(struct layer, digest)},
	{"modified", offsetof(struct layer, modified)},
	{"changed", offsetof(struct layer, changed)},
	{"sandbox", offsetof(struct layer, sandbox)},
	{"directory", offsetof(struct layer, directory)},
	{"created", offsetof(struct layer, created)},
};

static char **slot(struct layer *layer, const struct field *field)
{
	return (char **)((char *)layer + field->offset);
}

void layer_done(struct layer *layer)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		free(*slot(layer, &fields[i]));
	layer_inputs_done(&layer->inputs);
	*layer = (struct layer){0};
}

void layer_list_done(struct layer_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		layer_done(&list->items[i]);
	free(list->items);
	*list = (struct layer_list){0};
}

char *layer_manifest_name(const char *key)
{
	return text_format(LAYER_PREFIX "%s.json", key);
}

/* Names of files are bytes, which json-c hands through. */
static struct json_object *inputs_json(const struct layer_inputs *inputs)
{
	struct json_object *object = json_object_new_object();

	for (size_t i = 0; i < inputs->count; i++) {
		const struct layer_input *input = &inputs->items[i];

		json_object_object_add(object, input->name, json_object_new_string(input->value));
	}
	return object;
}

char *layer_format(const struct layer *layer)
{
	struct json_object *object = json_object_new_object();
	char *text;

	json_object_object_add(object, "version", json_object_new_int(VERSION));
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const char *value = *(char *const *)((const char *)layer + fields[i].offset);

		json_object_object_add(object, fields[i].key,
				       json_object_new_string(value ? value : ""));
	}
	json_object_object_add(object, "owner", json_object_new_uint64(layer->owner));
	json_object_object_add(object, "group", json_object_new_uint64(layer->group));
	json_object_object_add(object, "stored", json_object_new_uint64(layer->stored));
	json_object_object_add(object, "capacity", json_object_new_uint64(layer->capacity));
	json_object_object_add(object, "inputs", inputs_json(&layer->inputs));
	text = text_format(
		"%s\n", json_object_to_json_string_ext(
				object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	return text;
}

static int read_texts(struct json_object *object, struct layer *layer, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		struct json_object *value = NULL;

		if (!json_object_object_get_ex(object, fields[i].key, &value) ||
		    !json_object_is_type(value, json_type_string))
			return error_set(err, EX_DATAERR, "'%s' is not a text", fields[i].key);
		*slot(layer, &fields[i]) = text_dup(json_object_get_string(value));
	}
	return 0;
}

static int read_number(struct json_object *object, const char *key, uint64_t max,
		       uint64_t *ret_number, struct error *err)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0 ||
	    json_object_get_uint64(value) > max)
		return error_set(err, EX_DATAERR, "'%s' is not a number", key);
	*ret_number = json_object_get_uint64(value);
	return 0;
}

static int read_inputs(struct json_object *object, struct layer_inputs *inputs, struct error *err)
{
	struct json_object *list = NULL;

	if (!json_object_object_get_ex(object, "inputs", &list) ||
	    !json_object_is_type(list, json_type_object))
		return error_set(err, EX_DATAERR, "'inputs' is missing");
	json_object_object_foreach(list, name, value)
	{
		const char *text = json_object_get_string(value);

		/* written with its '=', which layer_inputs_add() puts in front */
		layer_inputs_add(inputs, name, text && *text ? text + 1 : NULL);
	}
	layer_inputs_sort(inputs);
	return 0;
}

static bool is_hex(const char *text, size_t length)
{
	return strlen(text) == length && strspn(text, "0123456789abcdef") == length;
}

/* layer-KEY-RANDOM.qcow2 */
static bool is_volume(const char *name, const char *key)
{
	_cleanup_free_ char *prefix = text_format(LAYER_PREFIX "%s-", key);
	const char *random = name + strlen(prefix);

	return text_starts(name, prefix) &&
	       text_equal(random + strspn(random, "0123456789abcdef"), ".qcow2") &&
	       strlen(random) == RANDOM_HEX + strlen(".qcow2");
}

static int check(const struct layer *layer, struct error *err)
{
	if (!is_hex(layer->key, DIGEST_SHA256_LENGTH) ||
	    !is_hex(layer->digest, DIGEST_SHA256_LENGTH))
		return error_set(err, EX_DATAERR, "its key or digest is none");
	if (!is_volume(layer->volume, layer->key) || !text_starts(layer->base, "base-") ||
	    strchr(layer->base, '/'))
		return error_set(err, EX_DATAERR, "it names volumes that are none of ours");
	if (!text_equal(layer->base_format, "qcow2") && !text_equal(layer->base_format, "raw"))
		return error_set(err, EX_DATAERR, "its base has an unknown format");
	return 0;
}

static int read_object(struct json_object *object, struct layer *layer, struct error *err)
{
	uint64_t version = 0, owner = 0, group = 0;

	if (!json_object_is_type(object, json_type_object) ||
	    read_number(object, "version", INT32_MAX, &version, err) < 0)
		return error_set(err, EX_DATAERR, "it is not a manifest");
	if (version != VERSION)
		return error_set(err, EX_DATAERR, "it was written by another version of migrant");
	if (read_texts(object, layer, err) < 0 ||
	    read_number(object, "owner", UINT32_MAX, &owner, err) < 0 ||
	    read_number(object, "group", UINT32_MAX, &group, err) < 0 ||
	    read_number(object, "stored", INT64_MAX, &layer->stored, err) < 0 ||
	    read_number(object, "capacity", INT64_MAX, &layer->capacity, err) < 0 ||
	    read_inputs(object, &layer->inputs, err) < 0)
		return -1;
	layer->owner = (uid_t)owner;
	layer->group = (unsigned int)group;
	return check(layer, err);
}

int layer_parse(const char *text, struct layer *ret_layer, struct error *err)
{
	struct json_object *object = json_tokener_parse(text);
	_cleanup_layer_ struct layer layer = {0};
	int result = read_object(object, &layer, err);

	json_object_put(object);
	if (result < 0)
		return -1;
	*ret_layer = layer;
	layer = (struct layer){0};
	return 0;
}
