/*
 * `migrant storage`: images of shares and layers outlive their sandboxes, so there has to be a
 * place where they are all seen, and a way to get rid of those that nobody needs.
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "base/text.h"
#include "command/ask.h"
#include "command/layers.h"
#include "command/memories_show.h"
#include "command/print.h"
#include "command/stored.h"
#include "share/share.h"

static void add(json_object *object, const char *name, json_object *value)
{
	json_object_object_add(object, name, value);
}

static json_object *image_json(const struct stored *image)
{
	json_object *object = json_object_new_object();

	add(object, "id", json_object_new_string(image->id));
	add(object, "owner", json_object_new_int64(image->owner));
	add(object, "sandbox", json_object_new_string(image->sandbox));
	add(object, "directory", json_object_new_string(image->directory));
	add(object, "share", json_object_new_string(image->share));
	add(object, "size_bytes", json_object_new_uint64(image->size));
	add(object, "allocated_bytes", json_object_new_uint64(image->allocated));
	add(object, "created", json_object_new_string(image->created));
	add(object, "present", json_object_new_boolean(image->present));
	add(object, "in_use", json_object_new_boolean(image->in_use));
	add(object, "orphan", json_object_new_boolean(image->orphan));
	return object;
}

static int print_json(const struct stored_list *images, const struct layers *layers,
		      json_object *memories)
{
	json_object *root = json_object_new_object();
	json_object *list = json_object_new_array();
	struct statvfs status;

	for (size_t i = 0; i < images->count; i++)
		json_object_array_add(list, image_json(&images->items[i]));
	add(root, "images", list);
	add(root, "layers", layers_json(layers));
	add(root, "memories", json_object_get(memories));
	add(root, "free_bytes",
	    statvfs(STORED_DIR, &status) == 0
		    ? json_object_new_uint64((uint64_t)status.f_bavail * status.f_frsize)
		    : NULL);
	json_print(root);
	json_object_put(root);
	return 0;
}

static const char *state_of(const struct stored *image)
{
	if (!image->present)
		return "missing";
	if (image->in_use)
		return "in use";
	return image->orphan ? "project gone" : "kept";
}

static void print_images(const struct stored_list *images)
{
	if (images->count == 0) {
		puts("no images of shares");
		return;
	}
	printf("%-18s %10s %10s  %-10s  %-12s  %s\n", "ID", "MIB", "ON DISK", "CREATED", "STATE",
	       "SHARE");
	for (size_t i = 0; i < images->count; i++) {
		const struct stored *image = &images->items[i];
		_cleanup_free_ char *place = text_format("%s/%s", image->directory, image->share);
		_cleanup_free_ char *shown = text_escape(place, strlen(place), false);

		printf("%-18s %10" PRIu64 " %10" PRIu64 "  %-10.10s  %-12s  %s\n", image->id,
		       image->size >> 20, image->allocated >> 20, image->created, state_of(image),
		       shown);
	}
}

static int print_table(const struct stored_list *images, const struct layers *layers,
		       json_object *memories)
{
	print_images(images);
	layers_print(layers);
	memories_print(memories);
	return 0;
}

static int print_all(const struct invocation *invocation, const struct stored_list *images,
		     const struct layers *layers)
{
	json_object *memories = memories_json();
	int result = option_flag(invocation, "json") ? print_json(images, layers, memories)
						     : print_table(images, layers, memories);

	json_object_put(memories);
	return result;
}

static int delete_all(const struct stored_list *images, struct error *err)
{
	for (size_t i = 0; i < images->count; i++) {
		const struct stored *image = &images->items[i];

		if (stored_delete(image, err) < 0)
			return -1;
		log_step("deleted %s: %s/%s", image->id, image->directory, image->share);
	}
	return 0;
}

static void say(const struct stored_list *images)
{
	for (size_t i = 0; i < images->count; i++)
		log_info("%s: %s/%s, %" PRIu64 " MiB on the disk", images->items[i].id,
			 images->items[i].directory, images->items[i].share,
			 images->items[i].allocated >> 20);
}

/* Asks once for all of them. */
static int delete_asked(const struct invocation *invocation, const struct stored_list *images,
			const char *without, struct error *err)
{
	_cleanup_free_ char *question = NULL;
	int answer = 1;

	say(images);
	question = text_format("Delete %zu image%s and all files in %s?", images->count,
			       images->count == 1 ? "" : "s", images->count == 1 ? "it" : "them");
	if (!option_flag(invocation, "force"))
		answer = ask_user(question, without, err);
	return answer <= 0 ? answer : delete_all(images, err);
}

static int prune(const struct invocation *invocation, const struct stored_list *images,
		 struct error *err)
{
	struct stored_list gone = {.items = xcalloc(images->count + 1, sizeof(*gone.items))};
	_cleanup_free_ struct stored *items = gone.items; /* borrows what is in them */

	for (size_t i = 0; i < images->count; i++)
		if (images->items[i].orphan && !images->items[i].in_use)
			items[gone.count++] = images->items[i];
	if (gone.count == 0) {
		log_step("no image's project is gone");
		return 0;
	}
	if (option_flag(invocation, "dry-run")) {
		say(&gone);
		return 0;
	}
	return delete_asked(invocation, &gone, "migrant storage --prune -f", err);
}

static int prune_layers(const struct invocation *invocation, const struct layers *layers,
			struct error *err)
{
	size_t count = layers_count_needless(layers);
	_cleanup_free_ char *question = NULL;
	int answer = 1;

	if (count == 0) {
		log_step("no layer is without a user");
		return 0;
	}
	layers_say_needless(layers);
	if (option_flag(invocation, "dry-run"))
		return 0;
	question =
		text_format("Delete %zu volume%s? The next 'up' from the inputs of a layer takes "
			    "its full time again.",
			    count, count == 1 ? "" : "s");
	if (!option_flag(invocation, "force"))
		answer = ask_user(question, "migrant storage --prune -f", err);
	return answer <= 0 ? answer : layers_prune(layers, err);
}

static int delete_one(const struct invocation *invocation, const struct stored_list *images,
		      const char *id, struct error *err)
{
	for (size_t i = 0; i < images->count; i++) {
		const struct stored_list one = {.items = &images->items[i], .count = 1};

		if (text_equal(images->items[i].id, id))
			return delete_asked(invocation, &one, "-f", err);
	}
	error_set(err, EX_NOINPUT, "there is no image '%s'", id);
	return error_hint(err, "'migrant storage' lists them");
}

static int adopt(const struct invocation *invocation, const char *id, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;

	if (project_open(&project, invocation, err) < 0 || stored_adopt(&project, id, err) < 0)
		return -1;
	log_step("%s: the image is this project's now", project.config.name);
	return 0;
}

static int check_id(const char *id, struct error *err)
{
	if (!id || image_id_is_valid(id))
		return 0;
	error_set(err, EX_USAGE, "'%s' is no image's ID", id);
	return error_hint(err, "'migrant storage' lists them");
}

static int check_usage(const struct invocation *invocation, struct error *err)
{
	const char *adopted = option_text(invocation, "adopt");
	const char *deleted = option_text(invocation, "delete");
	int acts = option_flag(invocation, "prune") + option_flag(invocation, "verify") +
		   (adopted != NULL) + (deleted != NULL);

	if (acts > 1 || (acts && option_flag(invocation, "json"))) {
		error_set(err, EX_USAGE,
			  "--json, --prune, --verify, --adopt and --delete exclude each other");
		return error_hint(err, "migrant storage --help");
	}
	if (option_flag(invocation, "dry-run") && !option_flag(invocation, "prune"))
		return error_set(err, EX_USAGE, "--dry-run goes with --prune");
	if (option_flag(invocation, "force") && !option_flag(invocation, "prune") && !deleted)
		return error_set(err, EX_USAGE, "--force goes with --prune and --delete");
	return check_id(adopted, err) < 0 ? -1 : check_id(deleted, err);
}

static int list_or_prune(const struct invocation *invocation, struct error *err)
{
	_cleanup_stored_ struct stored_list images = {0};
	_cleanup_layers_ struct layers layers = {0};

	if (stored_load(&images, err) < 0 || layers_load(&layers, err) < 0)
		return -1;
	if (!option_flag(invocation, "prune"))
		return print_all(invocation, &images, &layers);
	if (prune(invocation, &images, err) < 0 || prune_layers(invocation, &layers, err) < 0)
		return -1;
	if (option_flag(invocation, "dry-run"))
		log_step("nothing was deleted (--dry-run)");
	return 0;
}

static int verify(struct error *err)
{
	_cleanup_layers_ struct layers layers = {0};

	return layers_load(&layers, err) < 0 ? -1 : layers_verify(&layers, err);
}

static int run(const struct invocation *invocation, struct error *err)
{
	const char *adopted = option_text(invocation, "adopt");
	const char *deleted = option_text(invocation, "delete");
	_cleanup_stored_ struct stored_list images = {0};

	if (check_usage(invocation, err) < 0)
		return -1;
	if (adopted)
		return adopt(invocation, adopted, err);
	if (option_flag(invocation, "verify"))
		return verify(err);
	if (!deleted)
		return list_or_prune(invocation, err);
	if (stored_load(&images, err) < 0)
		return -1;
	return delete_one(invocation, &images, deleted, err);
}

static const struct option options[] = {
	{0, "json", OPTION_FLAG, NULL, "print one JSON document"},
	{0, "prune", OPTION_FLAG, NULL,
	 "delete the images whose project is gone, and the layers that no sandbox lies over"},
	{0, "dry-run", OPTION_FLAG, NULL, "with --prune: only say what it would delete"},
	{0, "verify", OPTION_FLAG, NULL, "compare the layers' content with their digests"},
	{0, "adopt", OPTION_TEXT, "ID", "give an image to the project here"},
	{0, "delete", OPTION_TEXT, "ID", "delete one image"},
	{'f', "force", OPTION_FLAG, NULL, "do not ask"},
	{0},
};

const struct command command_storage = {
	.name = "storage",
	.group = "images",
	.summary = "list images of shares, layers and saved memory, delete what nobody needs",
	.example = "migrant storage",
	.details =
		"Images outlive their sandboxes: 'migrant destroy --shares' deletes those of one "
		"project.\nRoot sees those of all users. Layers are what first starts have made, "
		"for later sandboxes\nto start from. The memory of a snapshot goes with it.\n",
	.options = options,
	.run = run,
};
