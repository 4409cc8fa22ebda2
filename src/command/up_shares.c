/*
 * The steps of `up` for shares, on this side of root: what the user has in their place is looked at
 * before anything is made, the folders are made as the user, and the guest is told to mount what it
 * is offered. Images and mounts on the host are the hook's.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "command/guest_shares.h"
#include "command/shares.h"
#include "command/stored.h"
#include "command/up.h"

static void warn_of_plain(const struct config *config)
{
	for (size_t i = 0; i < config->share_count; i++)
		if (!config->shares[i].isolate)
			log_warning("the share '%s' is a plain directory (isolate: false): what "
				    "the guest writes there has no cap, and its links lead "
				    "anywhere on the host",
				    config->shares[i].host);
}

static const struct stored *image_of(const struct stored_list *images,
				     const struct config_share *share)
{
	for (size_t i = 0; i < images->count; i++)
		if (text_equal(images->items[i].share, share->host))
			return &images->items[i];
	return NULL;
}

/* The root side refuses it as well; here it is told before anything was made, and where. */
static int check_size(const struct config *config, const struct config_share *share,
		      const struct stored *image, struct error *err)
{
	if (image->size <= share->size)
		return 0;
	config_error(config, share->position, err,
		     "the share '%s' has %" PRIu64 " MiB already, and is never made smaller",
		     share->host, image->size >> 20);
	return error_hint(err,
			  "write 'size: %" PRIu64 "M'; or copy its files out, 'migrant storage "
			  "--delete %s', and begin anew",
			  image->size >> 20, image->id);
}

/* Bytes by which the share may still grow. */
static uint64_t growth_of(const struct config_share *share, const struct stored *image)
{
	uint64_t allocated = image ? image->allocated : 0;

	return allocated < share->size ? share->size - allocated : 0;
}

static int check_images(const struct config *config, struct error *err)
{
	_cleanup_stored_ struct stored_list images = {0};
	struct statvfs status;
	uint64_t growth = 0, free_bytes;

	if (stored_of_project(config, &images, err) < 0)
		return -1;
	for (size_t i = 0; i < config->share_count; i++) {
		const struct config_share *share = &config->shares[i];
		const struct stored *image = image_of(&images, share);

		if (!share->isolate)
			continue;
		if (image && check_size(config, share, image, err) < 0)
			return -1;
		growth += growth_of(share, image);
	}
	if (statvfs(STORED_DIR, &status) < 0 && statvfs("/var/lib", &status) < 0)
		return 0;
	free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
	if (free_bytes < growth)
		log_warning("the shares may grow by %" PRIu64 " MiB, but only %" PRIu64 " MiB are "
			    "free on the host: then writing to them fails",
			    growth >> 20, free_bytes >> 20);
	return 0;
}

int up_look_shares(struct up *up, struct error *err)
{
	const struct config *config = &up->project.config;

	if (shares_check_places(config, "up", err) < 0 || check_images(config, err) < 0)
		return -1;
	warn_of_plain(config);
	return 0;
}

/* Shown by `migrant mount`: the guest's start mounts them anew. */
static int unmount_shown(const struct config *config, struct error *err)
{
	for (size_t i = 0; i < config->share_count; i++) {
		enum share_place place;

		if (!config->shares[i].isolate)
			continue;
		if (share_look(config->directory, config->shares[i].host, &place, NULL, err) < 0)
			return -1;
		if (place == SHARE_PLACE_MOUNTED)
			return stored_unmount(config->name, err);
	}
	return 0;
}

/* Remembers a folder that this run has made, for undo. */
static void remember(struct up *up, const char *path, size_t length)
{
	up->folders = xreallocarray(up->folders, up->folder_count + 2, sizeof(*up->folders));
	up->folders[up->folder_count++] = text_dup_n(path, length);
	up->folders[up->folder_count] = NULL;
}

/* Makes what is missing of @path, component by component, through no link. */
static int make_folder(struct up *up, int project, const char *path, struct error *err)
{
	_cleanup_close_ int at = fcntl(project, F_DUPFD_CLOEXEC, 3);
	const char *name = path;

	for (;;) {
		size_t length = strcspn(name, "/");
		_cleanup_free_ char *component = text_dup_n(name, length);
		int next;

		if (mkdirat(at, component, 0755) == 0)
			remember(up, path, (size_t)(name + length - path));
		else if (errno != EEXIST)
			return error_errno(err, EX_CANTCREAT, "cannot make the folder '%s'", path);
		next = file_open_beneath(at, component, O_PATH | O_DIRECTORY, 0);
		if (next < 0)
			return error_errno(err, EX_CANTCREAT, "cannot open the folder '%s'", path);
		cleanup_close(&at);
		at = next;
		if (!name[length])
			return 0;
		name += length + 1;
	}
}

int up_folders(struct up *up, struct error *err)
{
	const struct config *config = &up->project.config;
	_cleanup_close_ int project = open(config->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (project < 0)
		return error_errno(err, EX_NOINPUT, "%s", config->directory);
	if (unmount_shown(config, err) < 0)
		return -1;
	for (size_t i = 0; i < config->share_count; i++)
		if (make_folder(up, project, config->shares[i].host, err) < 0)
			return -1;
	return 0;
}

/* Those that are not empty have become somebody's. */
int up_folders_undo(struct up *up, struct error *err)
{
	_cleanup_close_ int project =
		open(up->project.config.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)err;
	while (project >= 0 && up->folder_count > 0)
		unlinkat(project, up->folders[--up->folder_count], AT_REMOVEDIR);
	return 0;
}

int up_mount_shares(struct up *up, struct error *err)
{
	return guest_shares_mount(&up->project, &up->access.access, err);
}

char *up_what_folders(const struct up *up)
{
	const struct config *config = &up->project.config;
	_cleanup_strbuf_ struct strbuf list = STRBUF_INIT;

	for (size_t i = 0; i < config->share_count; i++) {
		_cleanup_error_ struct error ignored = ERROR_INIT;
		enum share_place place;

		if (share_look(config->directory, config->shares[i].host, &place, NULL, &ignored) ==
			    0 &&
		    place == SHARE_PLACE_ABSENT)
			strbuf_addf(&list, "%s%s", list.length ? ", " : "", config->shares[i].host);
	}
	return list.length ? text_format("make the folders: %s", strbuf_text(&list)) : NULL;
}

char *up_what_shares(const struct up *up)
{
	const struct config *config = &up->project.config;
	_cleanup_strbuf_ struct strbuf list = STRBUF_INIT;

	for (size_t i = 0; i < config->share_count; i++) {
		const struct config_share *share = &config->shares[i];

		strbuf_addf(&list, "%s%s -> %s (%s, ", i ? "; " : "", share->host, share->guest,
			    share->read_only ? "ro" : "rw");
		if (share->isolate)
			strbuf_addf(&list, "at most %" PRIu64 " MiB)", share->size >> 20);
		else
			strbuf_add_text(&list, "no cap)");
	}
	return text_format("see that the guest has mounted its shares: %s", strbuf_text(&list));
}
