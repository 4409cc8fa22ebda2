/*
 * `migrant destroy`: everything of the sandbox goes, in any state, also a half-made one. The domain
 * goes last: until then it says whose the rest is, and the next `destroy` goes on where this one
 * was cut off.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "command/ask.h"
#include "command/destroy.h"
#include "command/disks.h"
#include "command/helper.h"
#include "command/hooks.h"
#include "command/shares.h"
#include "command/stored.h"
#include "command/volumes.h"
#include "layer/layer.h"
#include "provision/journal.h"
#include "provision/ssh_config.h"

static int ask(const struct project *project, const struct stored_list *images, struct error *err)
{
	_cleanup_free_ char *question =
		images->count ? text_format("Destroy the sandbox '%s', everything in it and %zu "
					    "image%s of its shares?",
					    project->config.name, images->count,
					    images->count == 1 ? "" : "s")
			      : text_format("Destroy the sandbox '%s' and everything in it?",
					    project->config.name);

	return ask_user(question, "migrant destroy -f", err);
}

/* @kept: disks that its forks need. */
static int check_nothing_left(const struct project *project, virStoragePoolPtr pool,
			      const char *uuid, unsigned int kept, struct error *err)
{
	_cleanup_domain_ struct domain again = DOMAIN_INIT;
	_cleanup_free_ char *left = helper_leftover(project->config.name);
	int volumes = sandbox_volumes_count(pool, uuid, err);

	if (volumes < 0 || domain_find(project->connection, project->config.name, &again, err) < 0)
		return -1;
	if (again.handle)
		return error_set(err, EX_SOFTWARE, "the domain is still there");
	if (volumes > (int)kept) /* fewer: its last fork has gone meanwhile */
		return error_set(err, EX_SOFTWARE, "%d volumes of it are still in the pool",
				 volumes - (int)kept);
	return left ? error_set(err, EX_SOFTWARE, "%s is still there", left) : 0;
}

/* What its first start has made, or started from, is there for the next one. */
static void say_layer(const struct project *project)
{
	_cleanup_pool_ virStoragePoolPtr pool = NULL;
	_cleanup_layer_list_ struct layer_list list = {0};
	_cleanup_error_ struct error ignored = ERROR_INIT;

	if (pool_open(project->connection, &pool, &ignored) < 0 ||
	    layer_list_load(pool, &list, &ignored) < 0)
		return;
	for (size_t i = 0; i < list.count; i++) {
		const struct layer *layer = &list.items[i];
		_cleanup_free_ char *path = pool_path(layer->volume);

		if (text_equal(path, project->domain.definition.base) ||
		    text_equal(layer->directory, project->config.directory))
			log_info("the layer %.12s stays (%llu MiB) for 'migrant up' to start from; "
				 "'migrant storage --prune' deletes it",
				 layer->key, (unsigned long long)layer->stored >> 20);
	}
}

/*
 * Of an origin and its forks that go at once, the last one sees that it is the last: what somebody
 * needs is looked for, and the domain goes that says who that is, with nobody in between.
 */
static int delete_all(const struct project *project, virStoragePoolPtr pool, unsigned int *ret_kept,
		      struct error *err)
{
	const char *uuid = project->domain.definition.metadata.uuid;
	_cleanup_close_ int lock = -1;

	if (lock_name(LOCK_DISKS, LOCK_SECONDS, &lock, err) < 0 ||
	    disks_delete(pool, uuid, project->domain.definition.layers, ret_kept, err) < 0 ||
	    sandbox_volumes_delete(pool, uuid, err) < 0)
		return -1;
	return domain_undefine(project->domain.handle, err);
}

int destroy_sandbox(struct project *project, unsigned int *ret_kept, struct error *err)
{
	_cleanup_pool_ virStoragePoolPtr pool = NULL;
	const char *uuid = project->domain.definition.metadata.uuid;

	if (pool_open(project->connection, &pool, err) < 0)
		return -1;
	if (domain_kill(project->domain.handle, err) < 0 ||
	    helper_cleanup(project->config.name, err) < 0 ||
	    delete_all(project, pool, ret_kept, err) < 0)
		return error_hint(err, "'migrant destroy' goes on where this one stopped");
	ssh_config_forget_key(project->config.name);
	journal_forget(project->config.name);
	if (check_nothing_left(project, pool, uuid, *ret_kept, err) < 0)
		return error_prefix(err, "the sandbox is not quite gone");
	return 0;
}

static int destroy(struct project *project, bool keeps_images, struct error *err)
{
	bool runs = project_has_guest(project);
	unsigned int kept = 0;

	if (runs)
		hooks_tell(project, "pre-down", "destroy");
	log_step("%s: destroying", project->config.name);
	if (destroy_sandbox(project, &kept, err) < 0)
		return -1;
	if (runs)
		hooks_tell(project, "post-down", "destroy");
	if (kept)
		log_info("%u of its disks stay%s for the sandboxes that were forked from it", kept,
			 kept == 1 ? "s" : "");
	say_layer(project);
	log_step("%s: destroyed, nothing of it is left%s", project->config.name,
		 keeps_images ? " but its shares" : "");
	return 0;
}

/* Shares can be mounted (`mount`) without a sandbox. */
static bool is_any_mounted(const struct config *config)
{
	for (size_t i = 0; i < config->share_count; i++) {
		_cleanup_error_ struct error ignored = ERROR_INIT;
		enum share_place place;

		if (config->shares[i].isolate &&
		    share_look(config->directory, config->shares[i].host, &place, NULL, &ignored) ==
			    0 &&
		    place == SHARE_PLACE_MOUNTED)
			return true;
	}
	return false;
}

static int absent(const struct project *project, struct error *err)
{
	_cleanup_free_ char *left = helper_leftover(project->config.name);

	if ((left || is_any_mounted(&project->config)) &&
	    helper_cleanup(project->config.name, err) < 0)
		return -1;
	log_step("%s: does not exist", project->config.name);
	return 0;
}

/* The images of the project's shares: deleted when they were asked for, else told. */
static int end_images(const struct stored_list *images, bool wanted, struct error *err)
{
	for (size_t i = 0; wanted && i < images->count; i++) {
		if (stored_delete(&images->items[i], err) < 0)
			return -1;
		log_step("deleted the image of %s", images->items[i].share);
	}
	if (!wanted && images->count)
		log_info("the files of its shares stay (%zu image%s, %llu MiB): 'migrant up' has "
			 "them again, 'migrant destroy --shares' deletes them",
			 images->count, images->count == 1 ? "" : "s",
			 (unsigned long long)stored_allocated(images) >> 20);
	return 0;
}

/*
 * Only an old or missing helper cannot list images, and then there are none; with --shares that is
 * an error, without it `destroy` goes on.
 */
static int find_images(const struct project *project, bool wanted, struct stored_list *images,
		       struct error *err)
{
	_cleanup_error_ struct error unknown = ERROR_INIT;

	if (stored_of_project(&project->config, images, &unknown) == 0 || !wanted)
		return 0;
	error_move(err, &unknown);
	return -1;
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	_cleanup_stored_ struct stored_list images = {0};
	const struct stored_list none = {0};
	bool with_images = option_flag(invocation, "shares");
	int answer = 1;

	if (project_open(&project, invocation, err) < 0)
		return -1;
	/* the images of the directory are those of the sandbox that the Migrantfile describes */
	if (!disks_are_forked(&project.domain.definition) &&
	    find_images(&project, with_images, &images, err) < 0)
		return -1;
	if ((project.domain.handle || (with_images && images.count)) &&
	    !option_flag(invocation, "force"))
		answer = ask(&project, with_images ? &images : &none, err);
	if (answer <= 0)
		return answer;
	if (project_lock(&project, LOCK_SECONDS, err) < 0 || project_find(&project, err) < 0)
		return -1;
	if ((project.domain.handle ? destroy(&project, images.count > 0, err)
				   : absent(&project, err)) < 0)
		return -1;
	return end_images(&images, with_images, err);
}

static const struct option options[] = {
	{'f', "force", OPTION_FLAG, NULL, "do not ask"},
	{0, "shares", OPTION_FLAG, NULL, "delete the images of its shares as well"},
	{0},
};

const struct command command_destroy = {
	.name = "destroy",
	.group = "lifecycle",
	.operands = "[NAME]",
	.summary = "end the sandbox and delete everything of it",
	.example = "migrant destroy -f",
	.options = options,
	.operands_max = 1,
	.takes_name = true,
	.run = run,
};
