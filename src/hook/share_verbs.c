/*
 * What a user may ask of root about shares. Whose an image is stands in root's description of it;
 * whose a mounted share is, in the mark of its loop device; neither is asked of the caller.
 */
#include "hook/share_verbs.h"

#include <json-c/json.h>

#include "base/text.h"
#include "hook/apply.h"
#include "hook/protocol.h"
#include "hook/sandbox_dir.h"
#include "hook/share_stage.h"
#include "network/gateway.h"
#include "share/image.h"
#include "share/shares.h"

static void add_json(json_object *document, struct strbuf *output)
{
	strbuf_addf(output, "%s\n",
		    json_object_to_json_string_ext(document, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(document);
}

static void add_text(json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

static json_object *answer(const struct verb_args *args)
{
	json_object *document = json_object_new_object();

	add_text(document, "name", args->name);
	return document;
}

static bool is_allowed(const struct verb_args *args, uid_t owner)
{
	return args->caller == 0 || args->caller == owner;
}

/* The metadata on stdin, which must be of the caller's. */
static int read_own(const struct verb_args *args, struct metadata *ret_metadata, struct error *err)
{
	_cleanup_metadata_ struct metadata metadata = {0};

	if (apply_read(args->input, args->length, &metadata, err) < 0)
		return -1;
	if (!is_allowed(args, metadata.owner))
		return error_set(err, EX_NOPERM, "%s belongs to another user", metadata.name);
	*ret_metadata = metadata;
	metadata = (struct metadata){0};
	return 0;
}

/* The sandbox must not run, and what is mounted of it must be the caller's. */
static int check_idle(const struct verb_args *args, struct error *err)
{
	bool in_use = false, found = false;
	uid_t owner = 0;

	if (gateway_in_use(args->name, &in_use, err) < 0 ||
	    shares_owner(args->name, &found, &owner, err) < 0)
		return -1;
	if (in_use)
		return error_set(err, EXIT_STATE, "%s runs: its shares are mounted as long",
				 args->name);
	if (found && !is_allowed(args, owner))
		return error_set(err, EX_NOPERM, "the shares of %s are another user's", args->name);
	return 0;
}

static int read_idle(const struct verb_args *args, struct metadata *ret_metadata, struct error *err)
{
	_cleanup_metadata_ struct metadata metadata = {0};

	if (read_own(args, &metadata, err) < 0 || check_idle(args, err) < 0)
		return -1;
	if (!text_equal(metadata.name, args->name))
		return error_set(err, EX_DATAERR, "the metadata is of %s", metadata.name);
	*ret_metadata = metadata;
	metadata = (struct metadata){0};
	return 0;
}

int share_verb_mount(const struct verb_args *args, struct strbuf *output, struct error *err)
{
	_cleanup_metadata_ struct metadata metadata = {0};
	struct share_set set;
	json_object *document, *list;

	if (read_idle(args, &metadata, err) < 0)
		return -1;
	set = share_set_of(&metadata);
	if (shares_show(&set, err) < 0)
		return -1;
	document = answer(args);
	list = json_object_new_array();
	for (size_t i = 0; i < metadata.share_count; i++) {
		_cleanup_free_ char *path =
			text_format("%s/%s", metadata.directory, metadata.shares[i].host);

		if (metadata.shares[i].isolate)
			json_object_array_add(list, json_object_new_string(path));
	}
	json_object_object_add(document, "mounted", list);
	add_json(document, output);
	return 0;
}

int share_verb_clear(const struct verb_args *args, json_object **ret_left, struct error *err)
{
	_cleanup_lines_ struct lines left = {0};

	if (check_idle(args, err) < 0 || shares_release(args->name, &left, err) < 0)
		return -1;
	*ret_left = json_object_new_array();
	for (size_t i = 0; i < left.count; i++)
		json_object_array_add(*ret_left, json_object_new_string(left.items[i]));
	return 0;
}

int share_verb_unmount(const struct verb_args *args, struct strbuf *output, struct error *err)
{
	json_object *document, *left;

	if (share_verb_clear(args, &left, err) < 0)
		return -1;
	document = answer(args);
	json_object_object_add(document, "left", left);
	add_json(document, output);
	return 0;
}

int share_verb_grow(const struct verb_args *args, struct strbuf *output, struct error *err)
{
	_cleanup_metadata_ struct metadata metadata = {0};
	struct share_set set;

	if (read_idle(args, &metadata, err) < 0)
		return -1;
	set = share_set_of(&metadata);
	if (shares_grow(&set, err) < 0)
		return -1;
	add_json(answer(args), output);
	return 0;
}

/* Listing and deleting. */

/* Calls @visit for all images of the caller; for root's call, of everybody. Stops at 1 or -1. */
static int for_images(const struct verb_args *args,
		      int (*visit)(const struct description *description, void *data,
				   struct error *err),
		      void *data, struct error *err)
{
	_cleanup_free_ uid_t *owners = NULL;
	size_t count = 0;

	if (image_owners(&owners, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		_cleanup_images_ struct image_list list = {0};

		if (!is_allowed(args, owners[i]))
			continue;
		if (image_list_load(owners[i], &list, err) < 0)
			return -1;
		for (size_t j = 0; j < list.count; j++) {
			int result = visit(&list.items[j], data, err);

			if (result != 0)
				return result;
		}
	}
	return 0;
}

static int add_image(const struct description *image, void *data, struct error *err)
{
	_cleanup_error_ struct error opening = ERROR_INIT;
	_cleanup_close_ int fd = -1;
	json_object *object = json_object_new_object();
	int opened = image_open(image, &fd, &opening);

	(void)err;
	add_text(object, "id", image->id);
	json_object_object_add(object, "owner", json_object_new_int64(image->owner));
	add_text(object, "sandbox", image->sandbox);
	add_text(object, "directory", image->directory);
	add_text(object, "share", image->host);
	json_object_object_add(object, "size", json_object_new_int64((int64_t)image->size));
	json_object_object_add(object, "allocated",
			       json_object_new_int64((int64_t)image_allocated(image)));
	add_text(object, "created", image->created);
	json_object_object_add(object, "present",
			       json_object_new_boolean(opened == 0 || opening.code != EX_NOINPUT));
	json_object_object_add(object, "in_use",
			       json_object_new_boolean(opened < 0 && opening.code == EX_TEMPFAIL));
	json_object_array_add(data, object);
	return 0;
}

int share_verb_list(const struct verb_args *args, struct strbuf *output, struct error *err)
{
	json_object *list = json_object_new_array();
	_cleanup_close_ int lock = -1;

	if (sandbox_lock(&lock, err) < 0 || for_images(args, add_image, list, err) < 0) {
		json_object_put(list);
		return -1;
	}
	add_json(list, output);
	return 0;
}

struct wanted {
	const char *id;
	int (*act)(const struct description *image, const struct metadata *metadata,
		   struct error *err);
	const struct metadata *metadata;
};

static int act_if_wanted(const struct description *image, void *data, struct error *err)
{
	const struct wanted *wanted = data;

	if (!text_equal(image->id, wanted->id))
		return 0;
	return wanted->act(image, wanted->metadata, err) < 0 ? -1 : 1;
}

static int act_on_image(const struct verb_args *args, struct wanted *wanted, struct error *err)
{
	int result = for_images(args, act_if_wanted, wanted, err);

	if (result < 0)
		return -1;
	return result ? 0 : error_set(err, EX_NOINPUT, "there is no image %s", wanted->id);
}

static int delete_image(const struct description *image, const struct metadata *metadata,
			struct error *err)
{
	(void)metadata;
	return image_delete(image, err);
}

int share_verb_delete(const struct verb_args *args, struct strbuf *output, struct error *err)
{
	struct wanted wanted = {.id = args->name, .act = delete_image};

	if (act_on_image(args, &wanted, err) < 0)
		return -1;
	add_json(answer(args), output);
	return 0;
}

static int adopt_image(const struct description *image, const struct metadata *metadata,
		       struct error *err)
{
	const struct share_set set = share_set_of(metadata);

	if (image->owner != metadata->owner)
		return error_set(err, EX_NOPERM, "the image is another user's than the project");
	return shares_adopt(&set, image->id, err);
}

int share_verb_adopt(const struct verb_args *args, struct strbuf *output, struct error *err)
{
	_cleanup_metadata_ struct metadata metadata = {0};
	struct wanted wanted = {.id = args->name, .act = adopt_image, .metadata = &metadata};

	if (read_own(args, &metadata, err) < 0 || act_on_image(args, &wanted, err) < 0)
		return -1;
	add_json(answer(args), output);
	return 0;
}
