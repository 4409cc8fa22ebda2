/*
 * Root knows images, users know projects: what the commands say about images is put together here
 * from both, and what they ask of root goes through the helper's verbs. The metadata that these
 * take need no running sandbox, and none that was ever defined: an image may be all that is left.
 */
#include "command/stored.h"

#include <json-c/json.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
#include "command/helper.h"
#include "command/shares.h"
#include "domain/live.h"
#include "network/choose.h"

/* Of a sandbox that does not exist; the helper wants the form alone. */
#define NO_UUID "00000000-0000-4000-8000-000000000000"

static void stored_done(struct stored *image)
{
	free(image->id);
	free(image->sandbox);
	free(image->directory);
	free(image->share);
	free(image->created);
}

void stored_list_done(struct stored_list *images)
{
	for (size_t i = 0; i < images->count; i++)
		stored_done(&images->items[i]);
	free(images->items);
	*images = (struct stored_list){0};
}

static json_object *member(json_object *object, const char *name)
{
	json_object *value = NULL;

	json_object_object_get_ex(object, name, &value);
	return value;
}

static char *text_of(json_object *object, const char *name)
{
	json_object *value = member(object, name);

	return text_dup(value ? json_object_get_string(value) : "");
}

/* A directory without a Migrantfile is no project; one that cannot be looked at may be one. */
static bool has_gone(const char *directory)
{
	_cleanup_free_ char *file = text_format("%s/Migrantfile", directory);
	struct stat status;

	return lstat(file, &status) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

static struct stored read_image(json_object *object)
{
	struct stored image = {
		.id = text_of(object, "id"),
		.owner = (uid_t)json_object_get_int64(member(object, "owner")),
		.sandbox = text_of(object, "sandbox"),
		.directory = text_of(object, "directory"),
		.share = text_of(object, "share"),
		.created = text_of(object, "created"),
		.size = json_object_get_uint64(member(object, "size")),
		.allocated = json_object_get_uint64(member(object, "allocated")),
		.present = json_object_get_boolean(member(object, "present")),
		.in_use = json_object_get_boolean(member(object, "in_use")),
	};

	image.orphan = has_gone(image.directory);
	return image;
}

int stored_load(struct stored_list *images, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
	json_object *list;

	if (helper_run("share-list", NULL, &answer, err) < 0)
		return error_prefix(err, "cannot list the images of shares");
	list = json_tokener_parse(strbuf_text(&answer));
	if (!list || !json_object_is_type(list, json_type_array)) {
		json_object_put(list);
		return error_set(err, EX_SOFTWARE, "the helper's answer is not understood");
	}
	images->count = json_object_array_length(list);
	images->items = xcalloc(images->count + 1, sizeof(*images->items));
	for (size_t i = 0; i < images->count; i++)
		images->items[i] = read_image(json_object_array_get_idx(list, i));
	json_object_put(list);
	return 0;
}

int stored_of_project(const struct config *config, struct stored_list *images, struct error *err)
{
	size_t kept = 0;

	if (stored_load(images, err) < 0)
		return -1;
	for (size_t i = 0; i < images->count; i++) {
		if (images->items[i].owner == getuid() &&
		    text_equal(images->items[i].directory, config->directory))
			images->items[kept++] = images->items[i];
		else
			stored_done(&images->items[i]);
	}
	images->count = kept;
	return 0;
}

uint64_t stored_allocated(const struct stored_list *images)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < images->count; i++)
		bytes += images->items[i].allocated;
	return bytes;
}

int stored_delete(const struct stored *image, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;

	if (helper_run("share-delete", image->id, &answer, err) < 0)
		return error_prefix(err, "cannot delete the image of %s/%s", image->directory,
				    image->share);
	return 0;
}

/* What a sandbox would be that nobody has made: everything but its shares is a matter of form. */
static int fill_absent(const struct config *config, struct metadata *metadata, struct error *err)
{
	metadata->name = text_dup(config->name);
	metadata->uuid = text_dup(NO_UUID);
	metadata->directory = text_dup(config->directory);
	metadata->program_version = text_dup(MIGRANT_VERSION);
	metadata->owner = getuid();
	metadata->policy = (struct policy){.isolate = true, .limits = POLICY_LIMITS_DEFAULT};
	return wire_choose(&metadata->wire, err);
}

/* The <migrant:sandbox> element with the Migrantfile's shares. The caller frees. */
static int make_document(const struct project *project, char **ret_document, struct error *err)
{
	const struct metadata *known = &project->domain.definition.metadata;
	_cleanup_metadata_ struct metadata metadata = {.version = METADATA_VERSION};

	if (fill_absent(&project->config, &metadata, err) < 0)
		return -1;
	if (project->domain.handle)
		text_replace(&metadata.uuid, known->uuid);
	shares_from_config(&project->config, &metadata);
	if (metadata_validate(&metadata, err) < 0)
		return -1;
	*ret_document = metadata_document(&metadata);
	return 0;
}

int stored_adopt(const struct project *project, const char *id, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
	_cleanup_free_ char *document = NULL;

	if (make_document(project, &document, err) < 0)
		return -1;
	return helper_tell("share-adopt", id, document, &answer, err);
}

int stored_mount(const struct project *project, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
	_cleanup_free_ char *document = NULL;

	if (make_document(project, &document, err) < 0)
		return -1;
	return helper_tell("mount", project->config.name, document, &answer, err);
}

/* What still uses a share that is unmounted all the same. */
static void say_left(const char *answer)
{
	json_object *root = json_tokener_parse(answer);
	json_object *left = member(root, "left");

	for (size_t i = 0; left && i < json_object_array_length(left); i++)
		log_warning("%s", json_object_get_string(json_object_array_get_idx(left, i)));
	json_object_put(root);
}

int stored_unmount(const char *name, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;

	if (helper_run("unmount", name, &answer, err) < 0)
		return -1;
	say_left(strbuf_text(&answer));
	return 0;
}
