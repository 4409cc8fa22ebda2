/*
 * An image belongs to a path: of the project, and of the share below it. Projects are moved and
 * renamed, and a user who does so must neither find an empty folder nor, worse, files of a project
 * that lay there before.
 */
#include "share/choose.h"

#include "base/text.h"
#include "share/target.h"

static void copy_description(const struct description *from, struct description *to)
{
	*to = (struct description){
		.id = text_dup(from->id),
		.owner = from->owner,
		.sandbox = text_dup(from->sandbox),
		.directory = text_dup(from->directory),
		.identity = text_dup(from->identity),
		.host = text_dup(from->host),
		.size = from->size,
		.created = text_dup(from->created),
	};
}

/* Whether the project that the image was made for lies elsewhere than before, or nowhere. */
static bool has_gone(const struct description *description, const struct identity *owner)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *identity = NULL;

	return target_identify(owner, description->directory, &identity, &err) < 0 &&
	       err.code == EX_NOINPUT;
}

static const struct description *
find_by_path(const struct image_list *list, const struct share_set *set, const struct share *share)
{
	for (size_t i = 0; i < list->count; i++)
		if (text_equal(list->items[i].directory, set->directory) &&
		    text_equal(list->items[i].host, share->host))
			return &list->items[i];
	return NULL;
}

static const struct description *find_moved(const struct image_list *list,
					    const struct share *share, const char *identity,
					    const struct identity *owner)
{
	for (size_t i = 0; i < list->count; i++)
		if (*identity && text_equal(list->items[i].identity, identity) &&
		    text_equal(list->items[i].host, share->host) &&
		    has_gone(&list->items[i], owner))
			return &list->items[i];
	return NULL;
}

/* One of a project that is not where it was, and had the same name: a copy, or another disk. */
static const struct description *find_orphan(const struct image_list *list,
					     const struct share_set *set, const struct share *share,
					     const struct identity *owner)
{
	for (size_t i = 0; i < list->count; i++)
		if (text_equal(list->items[i].sandbox, set->name) &&
		    text_equal(list->items[i].host, share->host) &&
		    has_gone(&list->items[i], owner))
			return &list->items[i];
	return NULL;
}

static int refuse_orphan(const struct description *orphan, struct error *err)
{
	error_set(err, EX_NOINPUT,
		  "there is an image of the share %s of a project that has gone from %s",
		  orphan->host, orphan->directory);
	return error_hint(err,
			  "`migrant storage --adopt %s` brings it here, `migrant storage --delete "
			  "%s` deletes it",
			  orphan->id, orphan->id);
}

static int check_size(const struct description *description, const struct share *share,
		      struct error *err)
{
	if (share->size >= description->size)
		return 0;
	error_set(err, EX_CONFIG, "the share %s has %llu MiB, and is never made smaller",
		  share->host, (unsigned long long)(description->size >> 20));
	return error_hint(err,
			  "set its size to %lluM; or copy its files out and begin anew after "
			  "`migrant storage --delete %s`",
			  (unsigned long long)(description->size >> 20), description->id);
}

/* What is known of the project is kept up to date. */
static int update(struct description *description, const struct share_set *set,
		  const char *identity, struct error *err)
{
	if (text_equal(description->directory, set->directory) &&
	    text_equal(description->identity, identity) &&
	    text_equal(description->sandbox, set->name))
		return 0;
	text_replace(&description->directory, set->directory);
	text_replace(&description->identity, identity);
	text_replace(&description->sandbox, set->name);
	return image_describe(description, err);
}

int choose_image(const struct share_set *set, const struct share *share,
		 const struct identity *owner, bool *ret_found, struct description *ret_description,
		 struct error *err)
{
	_cleanup_images_ struct image_list list = {0};
	_cleanup_description_ struct description description = {0};
	_cleanup_free_ char *identity = NULL;
	const struct description *found;

	*ret_found = false;
	if (target_identify(owner, set->directory, &identity, err) < 0 ||
	    image_list_load(set->owner, &list, err) < 0)
		return -1;
	found = find_by_path(&list, set, share);
	if (!found)
		found = find_moved(&list, share, identity, owner);
	if (!found) {
		found = find_orphan(&list, set, share, owner);
		return found ? refuse_orphan(found, err) : 0;
	}
	copy_description(found, &description);
	if (check_size(&description, share, err) < 0 ||
	    update(&description, set, identity, err) < 0)
		return -1;
	*ret_found = true;
	*ret_description = description;
	description = (struct description){0};
	return 0;
}

int choose_new(const struct share_set *set, const struct share *share, const struct identity *owner,
	       struct description *ret_description, struct error *err)
{
	_cleanup_free_ char *identity = NULL;

	if (target_identify(owner, set->directory, &identity, err) < 0)
		return -1;
	*ret_description = (struct description){
		.owner = set->owner,
		.sandbox = text_dup(set->name),
		.directory = text_dup(set->directory),
		.identity = take_ptr(identity),
		.host = text_dup(share->host),
		.size = share->size,
	};
	return 0;
}
