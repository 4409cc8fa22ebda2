/*
 * Installed boxes: looking them up in the pool. What a manifest says is compared with the volumes
 * every time, since a base image that was changed under its overlays would change every sandbox.
 */
#include "box/box.h"

#include <string.h>

#include "base/text.h"
#include "box/description.h"
#include "box/installed.h"
#include "box/manifest.h"

#define BASE_MODE 0444

void box_done(struct box *box)
{
	free(box->name);
	free(box->digest);
	free(box->image);
	free(box->kernel);
	free(box->initrd);
	free(box->cmdline);
	free(box->format);
	free(box->firmware);
	free(box->source);
	free(box->created);
	*box = (struct box){0};
}

/* Adds the volume's length to *sum. EX_DATAERR unless it is there, root's and read-only. */
static int check_volume(virStoragePoolPtr pool, const char *name, uint64_t *sum, struct error *err)
{
	_cleanup_volume_facts_ struct volume_facts facts = {0};

	if (!name)
		return 0;
	if (pool_examine(pool, name, &facts, err) < 0) {
		if (err->code == EX_NOINPUT)
			err->code = EX_DATAERR;
		return -1;
	}
	if (facts.owner != 0 || facts.mode != BASE_MODE || facts.backing_path)
		return error_set(err, EX_DATAERR,
				 "%s is not root's and read-only any more (owner %u, mode %03o)",
				 name, facts.owner, facts.mode);
	*sum += facts.stored;
	return 0;
}

static int check_volumes(virStoragePoolPtr pool, const struct box *box, struct error *err)
{
	uint64_t sum = 0;

	if (check_volume(pool, box->image, &sum, err) < 0 ||
	    check_volume(pool, box->kernel, &sum, err) < 0 ||
	    check_volume(pool, box->initrd, &sum, err) < 0)
		return -1;
	if (sum != box->stored_size)
		return error_set(err, EX_DATAERR, "its volumes have %llu bytes instead of %llu",
				 (unsigned long long)sum, (unsigned long long)box->stored_size);
	return 0;
}

int box_load_manifest(virStoragePoolPtr pool, const char *manifest, struct box *ret_box,
		      struct error *err)
{
	_cleanup_free_ char *text = NULL;
	struct box box = {0};

	if (pool_load(pool, manifest, MANIFEST_SIZE, &text, NULL, err) < 0)
		return -1;
	if (manifest_parse(text, &box, err) < 0)
		return error_prefix(err, "%s", manifest);
	*ret_box = box;
	return 0;
}

static int load_verified(virStoragePoolPtr pool, const char *name, struct box *ret_box,
			 struct error *err)
{
	_cleanup_free_ char *manifest = manifest_name(name);
	_cleanup_box_ struct box box = {0};

	if (!pool_has(pool, manifest))
		return error_set(err, EX_NOINPUT, "the box '%s' is not installed", name);
	if (box_load_manifest(pool, manifest, &box, err) < 0)
		return -1;
	if (!text_equal(box.name, name))
		return error_set(err, EX_DATAERR, "%s is the manifest of '%s'", manifest, box.name);
	if (check_volumes(pool, &box, err) < 0)
		return error_prefix(err, "the box '%s' is damaged", name);
	*ret_box = box;
	box = (struct box){0};
	return 0;
}

/* How one gets the box, by what its description says. */
static int hint(struct error *err, const char *name, const struct description *description)
{
	if (err->code == EX_DATAERR)
		return error_hint(err, "migrant box %s -f %s installs it anew",
				  description->suite ? "build" : "add", name);
	return error_hint(err, "run: migrant box %s %s", description->suite ? "build" : "add",
			  name);
}

int box_load(virStoragePoolPtr pool, const char *name, struct box *ret_box, struct error *err)
{
	_cleanup_description_ struct description description = {0};
	_cleanup_error_ struct error unknown = ERROR_INIT;
	int known = description_load(name, &description, &unknown);

	/* a box that was added from a file has no description, and needs none */
	if (known < 0 && (unknown.code != EX_NOINPUT || strchr(name, '/'))) {
		error_move(err, &unknown);
		return -1;
	}
	if (load_verified(pool, known < 0 ? name : description.name, ret_box, err) == 0)
		return 0;
	if (known == 0)
		return hint(err, name, &description);
	if (err->code == EX_NOINPUT)
		error_move(err, &unknown);
	return -1;
}
