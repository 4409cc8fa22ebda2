/*
 * Comparing the mounts with how they were made. What the guest reaches by virtiofsd and what the
 * user sees are two things: only a difference in the first is a reason to stop a guest.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mount.h"
#include "base/text.h"
#include "share/identity.h"
#include "share/image.h"
#include "share/loop.h"
#include "share/made.h"
#include "share/serve.h"
#include "share/shares.h"
#include "share/target.h"
#include "share/volume.h"

#define ARGUMENTS_MAX (1024 * 1024)

/* Whether the mount with @id is there and what it was. */
static bool is_unchanged(const struct mount_list *list, int id, const char *described)
{
	const struct mount_entry *entry = mount_list_find(list, id);
	_cleanup_free_ char *now = entry ? made_describe(entry) : NULL;

	return text_equal(now, described);
}

static void verify_source(const char *name, size_t index, const struct made *made,
			  const struct mount_list *list, struct lines *lines)
{
	_cleanup_free_ char *path = share_source(name, index);
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (!is_unchanged(list, made->source_id, made->source))
		lines_addf(lines, "share %s: the guest's mount is not what it was", made->path);
	else if (fd < 0 || mount_id(fd) != made->source_id)
		lines_addf(lines, "share %s: the guest's mount is hidden", made->path);
	else if (*made->image && volume_size(fd) > made->size)
		lines_addf(lines, "share %s: it is larger than its cap", made->path);
}

/* Whether @loop is the device of the guest's mount. */
static bool is_device(const struct made *made, const struct loop *loop)
{
	_cleanup_free_ char *device = text_format("%d:%u ", LOOP_MAJOR, loop->number);

	return text_starts(made->source, device);
}

/* That the device is bound to the file that is the image. */
static bool has_image(const struct made *made, uid_t owner, const struct loop_list *loops)
{
	_cleanup_free_ char *path = image_path(owner, made->image);
	struct stat status;

	if (lstat(path, &status) < 0 || (uint64_t)status.st_size != made->size)
		return false;
	for (size_t i = 0; i < loops->count; i++)
		if (is_device(made, &loops->items[i]))
			return loops->items[i].device == status.st_dev &&
			       loops->items[i].inode == status.st_ino;
	return false;
}

/* Whether some process calls itself @title and is the user that the share's virtiofsd is. */
static bool is_served(const char *title, uid_t uid)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	const struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		_cleanup_free_ char *path = text_format("/proc/%s/cmdline", entry->d_name);
		_cleanup_error_ struct error ignored = ERROR_INIT;
		_cleanup_free_ char *arguments = NULL;
		struct stat status;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    fstatat(dirfd(proc), entry->d_name, &status, 0) < 0 || status.st_uid != uid)
			continue;
		if (file_read(AT_FDCWD, path, ARGUMENTS_MAX, &arguments, NULL, &ignored) == 0 &&
		    text_equal(arguments, title))
			return true;
	}
	return false;
}

static void verify_served(const char *name, size_t index, const struct made *made,
			  struct lines *lines)
{
	_cleanup_free_ char *title = serve_title(name, index);

	if (!is_served(title, made->uid))
		lines_addf(lines,
			   "share %s: virtiofsd has ended; halt the sandbox and start it again",
			   made->path);
}

static bool is_shown(const struct made *made, const struct identity *owner)
{
	const struct target target = {
		.owner = owner,
		.directory = made->path,
		.host = "",
		.mounted = true,
	};
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_close_ int fd = -1;

	return target_open(&target, &fd, &ignored) == 0 && mount_id(fd) == made->shown_id;
}

static void verify_shown(const struct made *made, const struct identity *owner,
			 const struct mount_list *list, struct lines *lines)
{
	if (!is_unchanged(list, made->shown_id, made->shown))
		lines_addf(lines, "share %s is not mounted there as it was", made->path);
	else if (!is_shown(made, owner))
		lines_addf(lines, "%s was replaced: what lies there is not the share", made->path);
}

/* No record of shares: none were made. */
static int load(const char *name, struct made_list *made, struct error *err)
{
	_cleanup_error_ struct error loading = ERROR_INIT;

	if (made_load(name, made, &loading) == 0 || loading.code == EX_NOINPUT)
		return 0;
	error_move(err, &loading);
	return -1;
}

int shares_count(const char *name, size_t *ret_count, struct error *err)
{
	_cleanup_made_ struct made_list made = {0};

	if (load(name, &made, err) < 0)
		return -1;
	*ret_count = made.count;
	return 0;
}

int shares_verify(const char *name, uid_t owner, struct lines *isolation, struct lines *host,
		  struct error *err)
{
	_cleanup_made_ struct made_list made = {0};
	_cleanup_mounts_ struct mount_list list = {0};
	_cleanup_loops_ struct loop_list loops = {0};
	struct identity identity;

	if (load(name, &made, err) < 0)
		return -1;
	if (!made.count)
		return 0;
	if (mount_list_load("/proc/self/mountinfo", &list, err) < 0 || loop_list(&loops, err) < 0 ||
	    identity_find(owner, &identity, err) < 0)
		return -1;
	for (size_t i = 0; i < made.count; i++) {
		const struct made *item = &made.items[i];

		verify_source(name, i, item, &list, isolation);
		verify_served(name, i, item, host);
		if (!*item->image)
			continue;
		if (!has_image(item, owner, &loops))
			lines_addf(isolation, "share %s: its image was replaced", item->path);
		verify_shown(item, &identity, &list, host);
	}
	return 0;
}
