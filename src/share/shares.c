/*
 * Making shares real, in the order in which it must be: the image whole, then its device, then the
 * mounts, each complete before it is attached. What is half made is found by shares_release() by
 * the mark of the device and by the directory of root's.
 */
#include "share/shares.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mount.h"
#include "base/text.h"
#include "share/choose.h"
#include "share/everywhere.h"
#include "share/format.h"
#include "share/identity.h"
#include "share/image.h"
#include "share/loop.h"
#include "share/made.h"
#include "share/mark.h"
#include "share/serve.h"
#include "share/target.h"
#include "share/userns.h"
#include "share/volume.h"

#define RUN_DIR	 "/run/migrant"
#define ATTEMPTS 60 /* at a device that is just being let go */
#define PAUSE_MS 50

/* One share while it is being made. */
struct making {
	const struct share_set *set;
	const struct share *share;
	size_t index;
	const struct identity *owner;
	struct description description;
	unsigned int loop;
	int loop_fd;
	int target; /* the user's directory */
	struct made *made;
};

static void making_done(struct making *making)
{
	description_done(&making->description);
	cleanup_close(&making->loop_fd);
	cleanup_close(&making->target);
}

/* The user's group, but never root's for anybody else. */
static gid_t shown_group(const struct identity *owner)
{
	return owner->uid != 0 && owner->gid == 0 ? USERNS_UNUSED + SHARE_GUEST_ID : owner->gid;
}

static int open_target(const struct making *making, bool mounted, int *ret_fd, struct error *err)
{
	const struct target target = {
		.owner = making->owner,
		.directory = making->set->directory,
		.host = making->share->host,
		.make = !mounted,
		.empty = !mounted && making->share->isolate,
		.mounted = mounted,
	};

	return target_open(&target, ret_fd, err);
}

/* The image and its device. */

static bool backs(const struct loop *loop, const struct stat *image)
{
	return loop->device == image->st_dev && loop->inode == image->st_ino;
}

static int stat_image(const struct description *description, struct stat *ret_status,
		      struct error *err)
{
	_cleanup_free_ char *path = image_path(description->owner, description->id);

	if (lstat(path, ret_status) < 0)
		return error_errno(err, EX_IOERR, "%s", path);
	return 0;
}

static int refuse_used(const struct making *making, const struct loop *loop, struct error *err)
{
	_cleanup_lines_ struct lines users = {0};
	const struct remains remains = {
		.loops = &loop->number, .loop_count = 1, .owner = making->set->owner};

	everywhere_users(&remains, &users);
	error_set(err, EX_TEMPFAIL, "the image of the share %s is in use by /dev/loop%u%s%s",
		  making->share->host, loop->number, users.count ? ": " : "",
		  users.count ? users.items[0] : "");
	if (users.count)
		return error_hint(err, "end what uses it");
	return error_hint(err, "let go of it: `sudo losetup -d /dev/loop%u`", loop->number);
}

/*
 * The device that the image has already, if it may be used: it is ours, and nothing but somebody's
 * open file or working directory keeps it. *ret_found false: it has none.
 */
static int find_device(struct making *making, bool *ret_found, struct error *err)
{
	_cleanup_loops_ struct loop_list loops = {0};
	char mark[LOOP_MARK_MAX];
	struct stat image;

	*ret_found = false;
	if (stat_image(&making->description, &image, err) < 0 || loop_list(&loops, err) < 0)
		return -1;
	mark_format(making->set->name, making->index, making->set->owner, mark);
	for (size_t i = 0; i < loops.count; i++) {
		const struct loop *loop = &loops.items[i];
		const struct remains remains = {
			.loops = &loop->number, .loop_count = 1, .owner = making->set->owner};

		if (!backs(loop, &image))
			continue;
		if (*ret_found || !loop->ends_by_itself || !text_equal(loop->mark, mark) ||
		    making->description.size != making->share->size || /* it must grow first */
		    everywhere_is_mounted(&remains))
			return refuse_used(making, loop, err);
		*ret_found = loop_hold(loop, &making->loop_fd);
		making->loop = loop->number;
	}
	return 0;
}

static int prepare_image(const struct making *making, int fd, struct error *err)
{
	if (image_check_room(&making->description, fd, err) < 0 ||
	    image_grow(&making->description, fd, err) < 0)
		return -1;
	if (format_check(fd, err) < 0) {
		_cleanup_free_ char *path = image_path(making->set->owner, making->description.id);

		error_prefix(err, "the share %s", making->share->host);
		return error_hint(err, "`sudo e2fsck -f %s` repairs what can be repaired", path);
	}
	if (making->share->reserve && image_reserve(&making->description, fd, err) < 0)
		return -1;
	return 0;
}

static int bind_image(struct making *making, int fd, struct error *err)
{
	char mark[LOOP_MARK_MAX];

	mark_format(making->set->name, making->index, making->set->owner, mark);
	return loop_bind(fd, mark, &making->loop, &making->loop_fd, err);
}

/* The description says the new size before the image has it: then growing is taken up again. */
static int note_size(struct making *making, struct error *err)
{
	if (making->description.size == making->share->size)
		return 0;
	making->description.size = making->share->size;
	return image_describe(&making->description, err);
}

/* *ret_again: the image is locked and nothing has it, so it is being let go at this moment. */
static int try_device(struct making *making, bool *ret_again, struct error *err)
{
	_cleanup_error_ struct error opening = ERROR_INIT;
	_cleanup_close_ int fd = -1;
	bool found = false;
	int opened;

	opened = image_open(&making->description, &fd, &opening);
	if (opened < 0 && opening.code != EX_TEMPFAIL) {
		error_move(err, &opening);
		return -1;
	}
	*ret_again = false;
	if (find_device(making, &found, err) < 0)
		return -1;
	if (found)
		return 0;
	if (opened < 0) {
		error_move(err, &opening);
		*ret_again = true;
		return -1;
	}
	if (note_size(making, err) < 0 || prepare_image(making, fd, err) < 0)
		return -1;
	return bind_image(making, fd, err);
}

static int open_device(struct making *making, struct error *err)
{
	bool again = false;

	for (int i = 1; i < ATTEMPTS; i++) {
		_cleanup_error_ struct error trying = ERROR_INIT;

		if (try_device(making, &again, &trying) == 0)
			return 0;
		if (!again) {
			error_move(err, &trying);
			return -1;
		}
		(void)poll(NULL, 0, PAUSE_MS);
	}
	return try_device(making, &again, err);
}

static int ensure_image(struct making *making, struct error *err)
{
	bool found = false;

	if (choose_image(making->set, making->share, making->owner, &found, &making->description,
			 err) < 0)
		return -1;
	if (found)
		return 0;
	if (choose_new(making->set, making->share, making->owner, &making->description, err) < 0)
		return -1;
	return image_make(&making->description, making->share->reserve, err);
}

/* The mounts. */

static int make_directory(const char *path, struct error *err)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return error_errno(err, EX_CANTCREAT, "cannot make %s", path);
	return 0;
}

/* Attaches a mount at the place that virtiofsd is given. */
static int attach_source(const struct making *making, int mount, struct error *err)
{
	_cleanup_free_ char *path = share_source(making->set->name, making->index);
	_cleanup_close_ int point = -1;

	if (make_directory(path, err) < 0)
		return -1;
	point = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (point < 0)
		return error_errno(err, EX_OSERR, "%s", path);
	if (volume_attach(mount, point, err) < 0)
		return error_prefix(err, "the share %s", making->share->host);
	making->made->source_id = mount_id(mount);
	return 0;
}

static int volume_for(const struct making *making, uid_t uid, gid_t gid, bool read_only,
		      int *ret_mount, struct error *err)
{
	_cleanup_close_ int userns = -1;
	struct volume volume = {
		.loop = making->loop,
		.discard = !making->share->reserve,
		.read_only = read_only,
	};

	if (userns_make(uid, gid, &userns, err) < 0)
		return -1;
	volume.userns = userns;
	return volume_mount(&volume, ret_mount, err);
}

static int mount_source(const struct making *making, struct error *err)
{
	_cleanup_close_ int mount = -1;

	making->made->uid = USERNS_UNUSED + SHARE_GUEST_ID;
	making->made->gid = USERNS_UNUSED + SHARE_GUEST_ID;
	if (volume_for(making, making->made->uid, making->made->gid, making->share->read_only,
		       &mount, err) < 0)
		return -1;
	return attach_source(making, mount, err);
}

/* That the way to the user's directory leads to the mount is seen by walking it once more. */
static int check_shown(const struct making *making, struct error *err)
{
	_cleanup_close_ int fd = -1;

	if (open_target(making, true, &fd, err) == 0 && mount_id(fd) == making->made->shown_id)
		return 0;
	error_done(err);
	error_set(err, EX_TEMPFAIL, "%s/%s was replaced while it was being mounted",
		  making->set->directory, making->share->host);
	return error_hint(err, "see what renames it, and try again");
}

static int mount_shown(const struct making *making, struct error *err)
{
	_cleanup_close_ int mount = -1;

	if (volume_for(making, making->owner->uid, shown_group(making->owner), false, &mount, err) <
		    0 ||
	    volume_share_parent(making->target, err) < 0)
		return -1;
	if (volume_attach(mount, making->target, err) < 0)
		return error_prefix(err, "the share %s", making->share->host);
	making->made->shown_id = mount_id(mount);
	return check_shown(making, err);
}

/* A plain directory: what virtiofsd may do there is what the user may. */
static int mount_plain(const struct making *making, struct error *err)
{
	_cleanup_close_ int mount = -1;

	making->made->uid = making->owner->uid;
	making->made->gid = shown_group(making->owner);
	if (volume_bind(making->target, making->share->read_only, &mount, err) < 0)
		return error_prefix(err, "the share %s", making->share->host);
	return attach_source(making, mount, err);
}

static int make_isolated(struct making *making, bool for_guest, struct error *err)
{
	if (ensure_image(making, err) < 0 || open_device(making, err) < 0 ||
	    (for_guest && mount_source(making, err) < 0) || mount_shown(making, err) < 0)
		return -1;
	text_replace(&making->made->image, making->description.id);
	return 0;
}

static int make_one(const struct share_set *set, size_t index, const struct identity *owner,
		    bool for_guest, struct made *made, struct error *err)
{
	_cleanup_(making_done) struct making making = {
		.set = set,
		.share = &set->shares[index],
		.index = index,
		.owner = owner,
		.loop_fd = -1,
		.target = -1,
		.made = made,
	};

	*made = (struct made){
		.tag = text_dup(making.share->tag),
		.path = text_format("%s/%s", set->directory, making.share->host),
		.image = text_dup(""),
		.size = making.share->size,
		.source_id = -1,
		.shown_id = -1,
	};
	if (!making.share->isolate && !for_guest)
		return 0;
	if (open_target(&making, false, &making.target, err) < 0)
		return -1;
	return making.share->isolate ? make_isolated(&making, for_guest, err)
				     : mount_plain(&making, err);
}

/* What the kernel says of the mounts, to be compared with later. */
static int remember(struct made_list *made, struct error *err)
{
	_cleanup_mounts_ struct mount_list list = {0};

	if (mount_list_load("/proc/self/mountinfo", &list, err) < 0)
		return -1;
	for (size_t i = 0; i < made->count; i++) {
		const struct mount_entry *source = mount_list_find(&list, made->items[i].source_id);
		const struct mount_entry *shown = mount_list_find(&list, made->items[i].shown_id);

		made->items[i].source = source ? made_describe(source) : text_dup("");
		made->items[i].shown = shown ? made_describe(shown) : text_dup("");
	}
	return 0;
}

static int make_all(const struct share_set *set, bool for_guest, struct made_list *made,
		    struct error *err)
{
	struct identity owner;

	if (identity_find(set->owner, &owner, err) < 0)
		return -1;
	for (size_t i = 0; i < set->count; i++) {
		made->count = i + 1;
		if (make_one(set, i, &owner, for_guest, &made->items[i], err) < 0)
			return -1;
	}
	return remember(made, err);
}

int shares_make(const struct share_set *set, struct error *err)
{
	_cleanup_free_ char *below = text_format(RUN_DIR "/%s/shares", set->name);
	_cleanup_made_ struct made_list made = {0};

	if (!set->count)
		return 0;
	if (serve_check(err) < 0 || mount_ensure_shared(RUN_DIR, err) < 0 ||
	    make_directory(below, err) < 0 || make_all(set, true, &made, err) < 0)
		return -1;
	return made_store(set->name, &made, err);
}

/* Verbs of the helper. */

/* What is mounted already is taken away first: one way for all states. */
int shares_show(const struct share_set *set, struct error *err)
{
	_cleanup_made_ struct made_list made = {0};
	_cleanup_lines_ struct lines left = {0};
	_cleanup_error_ struct error undo = ERROR_INIT;

	if (shares_release(set->name, &left, err) < 0)
		return -1;
	if (make_all(set, false, &made, err) == 0)
		return 0;
	(void)!shares_release(set->name, &left, &undo); /* the first error is the one to tell */
	return -1;
}

static int grow_one(const struct share_set *set, size_t index, const struct identity *owner,
		    struct error *err)
{
	_cleanup_(making_done) struct making making = {
		.set = set,
		.share = &set->shares[index],
		.index = index,
		.owner = owner,
		.loop_fd = -1,
		.target = -1,
	};
	_cleanup_close_ int fd = -1;
	bool found = false;

	if (choose_image(set, making.share, owner, &found, &making.description, err) < 0)
		return -1;
	if (!found)
		return 0;
	if (image_open(&making.description, &fd, err) < 0 || note_size(&making, err) < 0)
		return -1;
	return prepare_image(&making, fd, err);
}

int shares_grow(const struct share_set *set, struct error *err)
{
	struct identity owner;

	if (identity_find(set->owner, &owner, err) < 0)
		return -1;
	for (size_t i = 0; i < set->count; i++)
		if (set->shares[i].isolate && grow_one(set, i, &owner, err) < 0)
			return -1;
	return 0;
}
