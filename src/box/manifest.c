/*
 * Manifests. Anybody in group libvirt can write one, so names of volumes are checked to be names of
 * volumes of ours before they become paths in a domain.
 */
#include "box/manifest.h"

#include <json-c/json.h>
#include <string.h>

#include "base/text.h"
#include "box/digest.h"

#define MANIFEST_VERSION 1
#define BOX_NAME_LENGTH	 63

/* The text fields, in the order in which they are written. */
static const struct field {
	const char *key;
	size_t offset;
	bool required;
} fields[] = {
	{"name", offsetof(struct box, name), true},
	{"digest", offsetof(struct box, digest), true},
	{"image", offsetof(struct box, image), true},
	{"format", offsetof(struct box, format), true},
	{"kernel", offsetof(struct box, kernel), false},
	{"initrd", offsetof(struct box, initrd), false},
	{"cmdline", offsetof(struct box, cmdline), false},
	{"firmware", offsetof(struct box, firmware), false},
	{"source", offsetof(struct box, source), true},
	{"created", offsetof(struct box, created), true},
};

static char **field_slot(struct box *box, const struct field *field)
{
	return (char **)((char *)box + field->offset);
}

static const char *field_text(const struct box *box, const struct field *field)
{
	return *(char *const *)((const char *)box + field->offset);
}

char *manifest_name(const char *box_name)
{
	return text_format(MANIFEST_PREFIX "%s.json", box_name);
}

bool box_name_is_valid(const char *name)
{
	size_t length = strnlen(name, BOX_NAME_LENGTH + 1);

	if (!length || length > BOX_NAME_LENGTH || strchr("._-", name[0]))
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == length;
}

static struct json_object *box_to_json(const struct box *box)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "version", json_object_new_int(MANIFEST_VERSION));
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const char *text = field_text(box, &fields[i]);

		if (text)
			json_object_object_add(object, fields[i].key, json_object_new_string(text));
	}
	json_object_object_add(object, "virtual_size", json_object_new_uint64(box->virtual_size));
	json_object_object_add(object, "stored_size", json_object_new_uint64(box->stored_size));
	return object;
}

int manifest_format(const struct box *box, char **ret_text, struct error *err)
{
	struct json_object *object = box_to_json(box);
	const char *text = json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	size_t length = strlen(text);
	char *padded;

	if (length + 1 > MANIFEST_SIZE) {
		json_object_put(object);
		return error_set(err, EX_DATAERR, "the description of box %s is too long",
				 box->name);
	}
	padded = text_format("%-*s\n", MANIFEST_SIZE - 1, text);
	json_object_put(object);
	*ret_text = padded;
	return 0;
}

/* A volume of ours: @prefix, a SHA-256 and, for an image, its format. */
static bool is_volume(const char *name, const char *prefix)
{
	const char *hex = name + strlen(prefix);
	struct digest digest;

	if (!text_starts(name, prefix) || strlen(hex) < DIGEST_SHA256_LENGTH ||
	    digest_parse(hex, DIGEST_SHA256_LENGTH, &digest) < 0)
		return false;
	hex += DIGEST_SHA256_LENGTH;
	return !*hex || text_equal(hex, ".qcow2") || text_equal(hex, ".raw");
}

static int read_fields(struct json_object *object, struct box *box, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		struct json_object *value = NULL;

		if (!json_object_object_get_ex(object, fields[i].key, &value)) {
			if (fields[i].required)
				return error_set(err, EX_DATAERR, "'%s' is missing", fields[i].key);
			continue;
		}
		if (!json_object_is_type(value, json_type_string))
			return error_set(err, EX_DATAERR, "'%s' is not a text", fields[i].key);
		*field_slot(box, &fields[i]) = text_dup(json_object_get_string(value));
	}
	return 0;
}

static int read_size(struct json_object *object, const char *key, uint64_t *ret_size,
		     struct error *err)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_int) || json_object_get_int64(value) <= 0)
		return error_set(err, EX_DATAERR, "'%s' is not a size", key);
	*ret_size = json_object_get_uint64(value);
	return 0;
}

static int check_box(const struct box *box, struct error *err)
{
	struct digest digest;

	if (!box_name_is_valid(box->name) ||
	    digest_parse(box->digest, strlen(box->digest), &digest) < 0 ||
	    digest.kind != DIGEST_SHA256)
		return error_set(err, EX_DATAERR, "its name or digest is not one");
	if (!is_volume(box->image, "base-") || !strstr(box->image, box->digest) ||
	    (box->kernel && !is_volume(box->kernel, "kernel-")) ||
	    (box->initrd && !is_volume(box->initrd, "initrd-")))
		return error_set(err, EX_DATAERR, "it names volumes that are none of ours");
	if (!text_equal(box->format, "qcow2") && !text_equal(box->format, "raw"))
		return error_set(err, EX_DATAERR, "its format is unknown");
	if (box->kernel ? !box->cmdline || box->firmware
			: !text_equal(box->firmware, "bios") && !text_equal(box->firmware, "uefi"))
		return error_set(err, EX_DATAERR, "it does not say how the box boots");
	return 0;
}

static int read_object(struct json_object *object, struct box *box, struct error *err)
{
	struct json_object *version = NULL;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, "version", &version))
		return error_set(err, EX_DATAERR, "it is not a manifest");
	if (json_object_get_int(version) != MANIFEST_VERSION)
		return error_set(err, EX_DATAERR, "it was written by another version of migrant");
	if (read_fields(object, box, err) < 0 ||
	    read_size(object, "virtual_size", &box->virtual_size, err) < 0 ||
	    read_size(object, "stored_size", &box->stored_size, err) < 0)
		return -1;
	return check_box(box, err);
}

int manifest_parse(const char *text, struct box *ret_box, struct error *err)
{
	struct json_object *object = json_tokener_parse(text);
	struct box box = {0};
	int result = read_object(object, &box, err);

	json_object_put(object);
	if (result < 0) {
		box_done(&box);
		return -1;
	}
	*ret_box = box;
	return 0;
}
