/*
 * The calls of the file descriptor mount API (fsopen(2), fsmount(2), mount_setattr(2),
 * move_mount(2)). glibc of Debian 12 has them; their numbers are asked of the kernel's headers all
 * the same, for older ones do not.
 */
#include "share/volume.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "base/mount.h"
#include "base/text.h"
#include "share/share.h"

#define NO_RIGHTS                                                                        \
	(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME | \
	 MOUNT_ATTR_NOSYMFOLLOW)

static int set_attributes(int mount, struct mount_attr *attributes)
{
	return (int)syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH, attributes,
			    sizeof(*attributes));
}

static int set_option(int context, const char *key, const char *value)
{
	unsigned int command = value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;

	return (int)syscall(SYS_fsconfig, context, command, key, value, 0);
}

static int create(int context, const struct volume *volume)
{
	_cleanup_free_ char *source = text_format("/dev/loop%u", volume->loop);

	if (set_option(context, "source", source) < 0 ||
	    set_option(context, "errors", "remount-ro") < 0 ||
	    set_option(context, volume->discard ? "discard" : "nodiscard", NULL) < 0)
		return -1;
	return (int)syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

static int mount_detached(const struct volume *volume, int *ret_mount, struct error *err)
{
	_cleanup_close_ int context = (int)syscall(SYS_fsopen, "ext4", FSOPEN_CLOEXEC);
	uint64_t attributes = NO_RIGHTS;

	if (volume->read_only)
		attributes |= MOUNT_ATTR_RDONLY;
	if (context < 0)
		return error_errno(err, EX_UNAVAILABLE, "the kernel cannot mount ext4");
	if (create(context, volume) < 0)
		return error_errno(err, EX_IOERR, "cannot mount /dev/loop%u", volume->loop);
	*ret_mount = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
	if (*ret_mount >= 0)
		return 0;
	error_errno(err, EX_UNAVAILABLE, "the kernel cannot mount without following links");
	return error_hint(err, "shares need Linux 5.14 or newer");
}

/*
 * What e2fsck finds without a name it puts into lost+found, and that is root's: so it goes, or
 * becomes the user's with what is in it. The mount shows ids as they are stored still.
 */
static void hand_over_found(int mount)
{
	static const char name[] = "lost+found";
	struct stat status;

	if (unlinkat(mount, name, AT_REMOVEDIR) == 0)
		return;
	if (fstatat(mount, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_uid == 0)
		(void)!fchownat(mount, name, SHARE_GUEST_ID, SHARE_GUEST_ID, AT_SYMLINK_NOFOLLOW);
}

int volume_mount(const struct volume *volume, int *ret_mount, struct error *err)
{
	_cleanup_close_ int mount = -1;
	struct mount_attr map = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)(unsigned int)volume->userns,
	};

	if (mount_detached(volume, &mount, err) < 0)
		return -1;
	if (!volume->read_only)
		hand_over_found(mount);
	if (set_attributes(mount, &map) < 0) {
		error_errno(err, EX_UNAVAILABLE, "the kernel cannot map the owners of files");
		return error_hint(err, "shares need ext4 of Linux 5.12 or newer");
	}
	*ret_mount = take_fd(&mount);
	return 0;
}

int volume_bind(int directory, bool read_only, int *ret_mount, struct error *err)
{
	_cleanup_close_ int mount = (int)syscall(
		SYS_open_tree, directory, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};

	if (read_only)
		attributes.attr_set |= MOUNT_ATTR_RDONLY;
	if (mount < 0 || set_attributes(mount, &attributes) < 0)
		return error_errno(err, EX_OSERR, "cannot bind the directory");
	*ret_mount = take_fd(&mount);
	return 0;
}

int volume_attach(int mount, int target, struct error *err)
{
	if (syscall(SYS_move_mount, mount, "", target, "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return error_errno(err, EX_OSERR, "cannot attach the mount");
	return 0;
}

/* Opens the place where @entry is mounted, if it still is that mount. */
static int open_point(const struct mount_entry *entry)
{
	_cleanup_close_ int fd = open(entry->point, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || mount_id(fd) != entry->id)
		return -1;
	return take_fd(&fd);
}

int volume_share_parent(int directory, struct error *err)
{
	struct mount_attr propagate = {.propagation = MS_SHARED};
	_cleanup_mounts_ struct mount_list list = {0};
	const struct mount_entry *entry;
	_cleanup_close_ int point = -1;

	if (mount_list_load("/proc/self/mountinfo", &list, err) < 0)
		return -1;
	entry = mount_list_find(&list, mount_id(directory));
	if (entry && entry->shared)
		return 0;
	point = entry ? open_point(entry) : -1;
	if (point < 0 || set_attributes(point, &propagate) < 0)
		return error_errno(err, EX_OSERR, "cannot make %s a shared mount",
				   entry ? entry->point : "the project's file system");
	return 0;
}

uint64_t volume_size(int directory)
{
	struct statvfs status;

	if (fstatvfs(directory, &status) < 0)
		return 0;
	return (uint64_t)status.f_blocks * status.f_frsize;
}
