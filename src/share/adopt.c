/*
 * An image whose project is where root cannot know it (a copy, another disk) is given to a project
 * by its user's word.
 */
#include "base/text.h"
#include "share/identity.h"
#include "share/image.h"
#include "share/shares.h"
#include "share/target.h"

/* Two for one share, and it would be chance which is mounted. */
static int check_vacant(const struct image_list *list, const struct description *adopted,
			const struct share_set *set, struct error *err)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct description *other = &list->items[i];

		if (text_equal(other->id, adopted->id) ||
		    !text_equal(other->directory, set->directory) ||
		    !text_equal(other->host, adopted->host))
			continue;
		error_set(err, EX_CANTCREAT, "the share %s of this project has an image already",
			  adopted->host);
		return error_hint(err, "`migrant storage --delete %s` deletes that", other->id);
	}
	return 0;
}

int shares_adopt(const struct share_set *set, const char *id, struct error *err)
{
	_cleanup_images_ struct image_list list = {0};
	_cleanup_free_ char *identity = NULL;
	struct identity owner;

	if (identity_find(set->owner, &owner, err) < 0 ||
	    target_identify(&owner, set->directory, &identity, err) < 0 ||
	    image_list_load(set->owner, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		struct description *description = &list.items[i];
		_cleanup_close_ int fd = -1;

		if (!text_equal(description->id, id))
			continue;
		if (check_vacant(&list, description, set, err) < 0 ||
		    image_open(description, &fd, err) < 0)
			return -1;
		text_replace(&description->directory, set->directory);
		text_replace(&description->identity, identity);
		text_replace(&description->sandbox, set->name);
		return image_describe(description, err);
	}
	return error_set(err, EX_NOINPUT, "there is no image %.64s", id);
}
