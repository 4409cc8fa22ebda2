/*
 * The steps of `up` that know of layers: a sandbox that would be made from the same inputs as an
 * earlier one starts from what that one was after its first `up`, and the first one of its kind
 * leaves that behind.
 *
 * Before the disk is copied the guest puts aside what is its own, and takes it back afterwards;
 * that is its disk without keys for a moment. So for that moment the domain's definition says that
 * the sandbox never booted: when guest and host die in it, the next `up` begins anew.
 */
#include <string.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"
#include "box/tree.h"
#include "command/policy_state.h"
#include "command/up.h"
#include "command/volumes.h"
#include "domain/libvirt.h"
#include "domain/live.h"
#include "layer/collect.h"
#include "provision/host_key.h"
#include "provision/keys.h"
#include "seed/seed.h"

#define SAID_MAX    4096 /* bytes that the guest may say meanwhile */
#define SHOWN_CHARS 12	 /* of a key, for people */

static struct definition *definition_of(struct up *up)
{
	return &up->project.domain.definition;
}

/* A sandbox whose first boot is all that is done to it has nothing worth keeping. */
static bool is_provisioned(const struct config *config)
{
	return config->provision_count > 0 || config->cloud_init;
}

static int collect(struct up *up, struct layer_inputs *ret_inputs, char **ret_key,
		   struct error *err)
{
	_cleanup_free_ char *key = NULL, *public_key = NULL;
	struct wire wire;
	struct layer_context context = {
		.box_digest = up->box.digest,
		.cmdline = definition_of(up)->cmdline,
		.wire = &wire,
		.owner = getuid(),
	};

	if (policy_wire(&up->project, &wire, err) < 0 ||
	    (key_is_made() && key_ensure(&key, &public_key, err) < 0))
		return -1;
	context.public_key = public_key;
	if (layer_collect(&up->project.config, &context, ret_inputs, err) < 0)
		return -1;
	if (layer_inputs_key(ret_inputs, ret_key, err) == 0)
		return 0;
	layer_inputs_done(ret_inputs);
	return -1;
}

/* The layer that was made here last tells what has changed. */
static char *compare_with_last(struct up *up)
{
	_cleanup_layer_list_ struct layer_list list = {0};
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_free_ char *words = NULL;
	const struct layer *last = NULL;

	if (layer_list_load(up->pool, &list, &ignored) < 0)
		return NULL;
	for (size_t i = 0; i < list.count; i++) {
		const struct layer *layer = &list.items[i];

		if (layer->owner == getuid() &&
		    text_equal(layer->directory, up->project.config.directory) &&
		    (!last || strcmp(layer->created, last->created) > 0))
			last = layer;
	}
	words = last ? layer_inputs_compare(&last->inputs, &up->inputs) : NULL;
	return words ? text_format("since the layer of %s this has changed: %s", last->created,
				   words)
		     : NULL;
}

static void take_none(struct up *up, char *why)
{
	free(up->no_layer);
	up->no_layer = why;
}

/* What does not look as it was published is not used, and said; the sandbox is made from the box.
 */
static void take_if_sound(struct up *up, struct layer *layer)
{
	_cleanup_error_ struct error why = ERROR_INIT;

	if (layer_check(up->pool, layer, &why) < 0) {
		log_warning("the layer %.*s is not used: %s", SHOWN_CHARS, layer->key, why.message);
		log_info("'migrant storage --prune' removes it");
		take_none(up, text_format("it is damaged: %s", why.message));
		return;
	}
	up->layer = *layer;
	*layer = (struct layer){0};
	text_replace(&definition_of(up)->below, definition_of(up)->base);
	text_replace(&definition_of(up)->below_format, definition_of(up)->base_format);
	free(definition_of(up)->base);
	definition_of(up)->base = pool_path(up->layer.volume);
	text_replace(&definition_of(up)->base_format, "qcow2");
}

static int choose(struct up *up, struct error *err)
{
	_cleanup_layer_ struct layer layer = {0};
	_cleanup_error_ struct error absent = ERROR_INIT;
	char *changes;

	if (!is_provisioned(&up->project.config))
		return 0;
	if (collect(up, &up->inputs, &up->layer_key, err) < 0)
		return -1;
	if (up->inputs.refusal) {
		take_none(up, text_dup(up->inputs.refusal));
	} else if (up->ignores_layer || up->provision != UP_PROVISION_FIRST) {
		take_none(up, text_format("you said %s", up->ignores_layer ? "--fresh"
							 : up->provision == UP_PROVISION_NEVER
								 ? "--no-provision"
								 : "--provision"));
	} else if (layer_find(up->pool, up->layer_key, &layer, &absent) == 0) {
		take_if_sound(up, &layer);
	} else {
		changes = compare_with_last(up);
		take_none(up, changes ? changes : text_dup("there is none of these inputs yet"));
	}
	return 0;
}

/*
 * What a sandbox lies over for the rest of its life must stay what it was. A layer that has been
 * replaced since has no manifest any more: then owner and mode have to do.
 */
static int check_base(struct up *up, struct error *err)
{
	const char *path = definition_of(up)->base;
	_cleanup_layer_ struct layer layer = {0};
	_cleanup_error_ struct error replaced = ERROR_INIT;
	_cleanup_volume_facts_ struct volume_facts facts = {0};
	int result;

	if (layer_find_volume(up->pool, path, &layer, &replaced) == 0)
		result = layer_check(up->pool, &layer, err);
	else
		result = pool_examine(up->pool, tree_volume_of(path), &facts, err);
	if (result == 0 && error_is_set(&replaced) && (facts.owner != 0 || (facts.mode & 0333)))
		result = error_set(err, EX_DATAERR, "it is not root's and read-only any more");
	if (result == 0)
		return 0;
	error_prefix(err, "the layer below the sandbox's disk is refused");
	return error_hint(err, "'migrant destroy' and 'migrant up' make the sandbox anew");
}

int up_find_layer(struct up *up, struct error *err)
{
	if (up->fresh) {
		text_replace(&definition_of(up)->below, NULL);
		text_replace(&definition_of(up)->below_format, NULL);
		return choose(up, err);
	}
	return definition_of(up)->below ? check_base(up, err) : 0;
}

bool up_may_make_layer(const struct up *up)
{
	return up->fresh && up->layer_key && !up->layer.key;
}

/* Also what is not done: somebody wonders why. */
char *up_what_layer(const struct up *up)
{
	if (up->inputs.refusal || up->provision == UP_PROVISION_NEVER)
		return text_format("take no layer and keep none: %s", up->no_layer);
	return text_format("take no layer (%s); keep the result as layer %.*s for later sandboxes "
			   "with these inputs",
			   up->no_layer, SHOWN_CHARS, up->layer_key);
}

/* While the guest stands aside. */
struct copy {
	struct up *up;
	struct strbuf said;
	bool done, told;
	int fd; /* the copy, or -1 with err set */
	struct error err;
};

static int copy_disk(struct up *up, struct error *err)
{
	virDomainPtr handle = up->project.domain.handle;
	const char *disk = tree_volume_of(definition_of(up)->disk);
	int fd;

	if (virDomainSuspend(handle) < 0)
		return libvirt_error(err, EX_SOFTWARE, "cannot pause the guest");
	fd = layer_fetch(up->pool, disk, up->box.image, err);
	if (virDomainResume(handle) < 0) {
		cleanup_close(&fd);
		return libvirt_error(err, EX_SOFTWARE, "cannot let the guest go on");
	}
	return fd;
}

static int hear(void *data, const char *bytes, size_t length, struct error *err)
{
	struct copy *copy = data;

	if (copy->said.length + length > SAID_MAX)
		return error_set(err, EX_DATAERR, "the guest says too much");
	strbuf_add(&copy->said, bytes, length);
	if (!copy->done && text_starts(strbuf_text(&copy->said), SEED_LAYER_READY)) {
		copy->fd = copy_disk(copy->up, &copy->err);
		copy->done = true;
	}
	return 0;
}

static bool has_word(void *data)
{
	return ((struct copy *)data)->done;
}

static ssize_t give_word(void *data, char *buffer, size_t room, struct error *err)
{
	struct copy *copy = data;

	(void)room;
	(void)err;
	if (copy->told)
		return 0;
	copy->told = true;
	buffer[0] = '\n';
	return 1;
}

/* The guest's part. When it has not said that it is back, it may come back by itself. */
static int stand_aside(struct copy *copy, struct error *err)
{
	_cleanup_free_ char *script = seed_layer_script();
	_cleanup_free_ char *quoted = text_shell_quote(script);
	_cleanup_free_ char *command = text_format("exec sudo -n sh -c %s", quoted);
	const struct ssh_streams streams = {
		.produce = give_word, .has_input = has_word, .consume = hear, .data = copy};
	const struct ssh_request request = {.access = &copy->up->access.access,
					    .command = command,
					    .streams = &streams,
					    .seconds = SSH_SCRIPT_SECONDS};
	int status = 0;

	if (ssh_run(&request, &status, err) < 0)
		return -1;
	if (!copy->done)
		return error_set(err, EX_SOFTWARE, "the guest does not put aside what is its own");
	if (!text_ends(strbuf_text(&copy->said), SEED_LAYER_BACK))
		return error_set(err, EX_SOFTWARE, "the guest does not take back what is its own");
	if (copy->fd >= 0)
		return 0;
	error_move(err, &copy->err);
	return -1;
}

static int note_booted(struct up *up, bool booted, struct error *err)
{
	definition_of(up)->metadata.booted = booted;
	return live_store_metadata(up->project.domain.handle, &definition_of(up)->metadata,
				   LIVE_DEFINITION, err);
}

/*
 * Blocks that were freed may hold bytes of the key and the machine-id that the guest had until now:
 * they are nobody's from here on.
 */
static int renew_identity(struct up *up, struct error *err)
{
	struct metadata *metadata = &definition_of(up)->metadata;
	_cleanup_free_ char *public_key = NULL, *script = NULL;
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
	char *host_key = NULL;
	int status = 0, result;

	if (host_key_make(&host_key, &public_key, err) < 0)
		return -1;
	script = seed_renew_script(host_key, public_key);
	result = ssh_script(&up->access.access, script, SAID_MAX, &answer, &status, err);
	explicit_bzero(script, strlen(script));
	explicit_bzero(host_key, strlen(host_key));
	free(host_key);
	if (result == 0 && status != 0)
		result = error_set(err, EX_SOFTWARE, "the guest does not take a new host key: %s",
				   strbuf_text(&answer));
	if (result < 0)
		return -1;
	text_replace(&metadata->host_key, public_key);
	up->access.access.host_key = metadata->host_key;
	return 0;
}

/* Returns the copy, or -1 with *why set. *err is set as well when the sandbox is not sound. */
static int take_copy(struct up *up, struct error *why, struct error *err)
{
	_cleanup_error_ struct error lost = ERROR_INIT;
	struct copy copy = {.up = up, .fd = -1};

	if (note_booted(up, false, why) < 0)
		return -1;
	if (stand_aside(&copy, why) < 0)
		cleanup_close(&copy.fd);
	strbuf_done(&copy.said);
	error_done(&copy.err);
	/* A guest that does not answer now is one without its keys. */
	if ((copy.fd >= 0 && renew_identity(up, &lost) < 0) ||
	    ssh_confirm(&up->access.access, &lost) < 0) {
		cleanup_close(&copy.fd);
		error_move(err, &lost);
		return error_hint(err, "'migrant up' makes the sandbox anew");
	}
	if (note_booted(up, true, err) < 0)
		cleanup_close(&copy.fd);
	return copy.fd;
}

static int publish(struct up *up, int fd, struct error *err)
{
	_cleanup_volume_facts_ struct volume_facts facts = {0};
	struct layer layer = {
		.key = text_dup(up->layer_key),
		.base = text_dup(up->box.image),
		.base_format = text_dup(up->box.format),
		.sandbox = text_dup(up->project.config.name),
		.directory = text_dup(up->project.config.directory),
		.owner = getuid(),
		.capacity = up->project.config.disk,
		.inputs = up->inputs,
	};
	int result = -1;

	up->inputs = (struct layer_inputs){0};
	/* whoever QEMU runs as can read what it has open now */
	if (pool_examine(up->pool, tree_volume_of(definition_of(up)->disk), &facts, err) == 0) {
		layer.group = facts.group;
		result = layer_publish(up->pool, fd, &layer, err);
	}
	layer_done(&layer);
	return result;
}

/* One that is not used any more, since somebody has changed it, is made anew. */
static bool is_missing(const struct up *up)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_layer_ struct layer made = {0};

	return up->ignores_layer || up->provision == UP_PROVISION_ALWAYS ||
	       layer_find(up->pool, up->layer_key, &made, &ignored) < 0 ||
	       layer_check(up->pool, &made, &ignored) < 0;
}

/* True when the layer is (still) to be made; else says why not. */
static bool is_wanted(struct up *up)
{
	_cleanup_layer_inputs_ struct layer_inputs now = {0};
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_free_ char *key = NULL;

	if (up->inputs.refusal) {
		log_info("no layer is kept: %s", up->inputs.refusal);
		return false;
	}
	if (up->provision == UP_PROVISION_NEVER)
		return false;
	/* the managed key, which counts, may have been made by this very run */
	if (collect(up, &now, &key, &ignored) < 0 || now.refusal) {
		log_info("no layer is kept: what it is made from has changed meanwhile");
		return false;
	}
	if (!text_equal(key, up->layer_key)) {
		_cleanup_free_ char *words = layer_inputs_compare(&up->inputs, &now);

		if (!text_equal(words, "login key")) {
			log_info("no layer is kept: this has changed meanwhile: %s", words);
			return false;
		}
		text_replace(&up->layer_key, key);
		layer_inputs_done(&up->inputs);
		up->inputs = now;
		now = (struct layer_inputs){0};
	}
	return is_missing(up);
}

/* The guest is up: what fails here is worth a word, not the work that was done. */
int up_make_layer(struct up *up, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	_cleanup_close_ int lock = -1;
	_cleanup_close_ int fd = -1;

	if (!is_wanted(up))
		return 0;
	lock = layer_lock(up->layer_key);
	if (lock < 0) {
		log_info("another sandbox keeps the same layer right now");
		return 0;
	}
	if (!is_missing(up)) /* another has kept it between the two looks */
		return 0;
	/* A Ctrl-C between the two would leave a sandbox that counts as never booted. */
	interrupt_hold_off();
	fd = take_copy(up, &why, err);
	if (error_is_set(err))
		return -1;
	if (fd < 0 || publish(up, fd, &why) < 0)
		log_warning("no layer is kept: %s", why.message);
	else
		log_info("kept as layer %.*s: the next sandbox with these inputs starts from it",
			 SHOWN_CHARS, up->layer_key);
	return 0;
}
