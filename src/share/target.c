/*
 * The way to the place where root will mount something, one directory at a time. Each is opened
 * below the one before, none is a link, none can be changed by anybody but root and the user; the
 * last is mounted on by its descriptor. So it does not matter what is renamed meanwhile: the mount
 * lands on the directory that was looked at.
 */
#include "share/target.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mount.h"
#include "base/text.h"

#define PART_MAX 256

struct walk {
	const struct target *target;
	int fd;		   /* of the directory that was reached */
	const char *place; /* the path that it is reached by, for messages: this much of it… */
	size_t length;
};

static int refuse_component(const struct walk *walk, const char *why, struct error *err)
{
	return error_set(err, EX_NOPERM, "%.*s: %s", (int)walk->length, walk->place, why);
}

/* In a sticky directory only the owner of an entry can replace it, and that is looked at as well.
 */
static bool others_can_write(const struct stat *status, const struct identity *owner)
{
	bool own_group = owner->gid_is_private && status->st_gid == owner->gid;

	if (status->st_mode & S_ISVTX)
		return false;
	return status->st_mode & S_IWOTH || (status->st_mode & S_IWGRP && !own_group);
}

/* @own: it has to be the user's, not just out of others' hands. */
static int check_component(const struct walk *walk, bool own, struct error *err)
{
	const struct identity *owner = walk->target->owner;
	struct stat status;

	if (fstat(walk->fd, &status) < 0)
		return error_errno(err, EX_IOERR, "%.*s", (int)walk->length, walk->place);
	if (status.st_uid != owner->uid && (own || status.st_uid != 0))
		return refuse_component(walk, "belongs to somebody else", err);
	if (others_can_write(&status, owner))
		return refuse_component(walk, "somebody else may write there", err);
	return 0;
}

static int open_failed(const struct walk *walk, int number, struct error *err)
{
	errno = number;
	if (number == ELOOP || number == ENOTDIR)
		return refuse_component(walk, "a link, or no directory", err);
	if (number == ENOENT)
		return error_set(err, EX_NOINPUT, "%.*s is not there", (int)walk->length,
				 walk->place);
	return error_errno(err, number == EACCES ? EX_NOPERM : EX_IOERR, "%.*s", (int)walk->length,
			   walk->place);
}

/* One directory further; @may_make: made if it is missing. */
static int step(struct walk *walk, const char *name, bool may_make, struct error *err)
{
	int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW;
	int fd = file_open_beneath(walk->fd, name, flags, 0);

	if (fd < 0 && errno == ENOENT && may_make) {
		if (mkdirat(walk->fd, name, 0755) < 0 && errno != EEXIST)
			return error_errno(err, EX_CANTCREAT, "cannot make %.*s", (int)walk->length,
					   walk->place);
		fd = file_open_beneath(walk->fd, name, flags, 0);
	}
	if (fd < 0)
		return open_failed(walk, errno, err);
	close(walk->fd);
	walk->fd = fd;
	return 0;
}

/* Walks down @path, whose parts are separated by '/'. @offset: where they begin in walk->place. */
static int descend(struct walk *walk, const char *path, size_t offset, bool inside,
		   struct error *err)
{
	const struct target *target = walk->target;
	const char *at = path;

	while (*at) {
		size_t length = strcspn(at, "/");
		char name[PART_MAX];
		bool last = !at[length];

		if (!length || length >= sizeof(name))
			return error_set(err, EX_DATAERR, "%s: not a clean path", path);
		memcpy(name, at, length);
		name[length] = '\0';
		walk->length = offset + (size_t)(at - path) + length;
		if (step(walk, name, inside && target->make, err) < 0)
			return -1;
		if (!(last && target->mounted && (inside || !*target->host)) &&
		    check_component(walk, inside || last, err) < 0)
			return -1;
		at += length + (last ? 0 : 1);
	}
	return 0;
}

static int check_empty(const struct walk *walk, struct error *err)
{
	int fd = openat(walk->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		cleanup_close(&fd);
		return error_errno(err, EX_IOERR, "%s", walk->place);
	}
	while ((entry = readdir(dir))) {
		if (text_equal(entry->d_name, ".") || text_equal(entry->d_name, ".."))
			continue;
		error_set(err, EX_CANTCREAT, "%s holds files, which the share would hide",
			  walk->place);
		return error_hint(err, "move them away, and into the share when it is mounted: "
				       "`migrant mount` does that without a guest");
	}
	return 0;
}

static int check_end(const struct walk *walk, int project, struct error *err)
{
	if (walk->target->mounted)
		return 0;
	if (mount_id(walk->fd) != project) {
		error_set(err, EX_CANTCREAT, "something is mounted on %s", walk->place);
		return error_hint(err, "unmount it first");
	}
	return walk->target->empty ? check_empty(walk, err) : 0;
}

static int walk_down(struct walk *walk, struct error *err)
{
	const struct target *target = walk->target;
	int project;

	walk->fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (walk->fd < 0)
		return error_errno(err, EX_OSERR, "/");
	if (descend(walk, target->directory + 1, 1, false, err) < 0) {
		if (err->code == EX_NOINPUT)
			error_hint(err, "if the project was moved, move it back, or run `migrant "
					"destroy` there and `migrant up` where it is now");
		return -1;
	}
	project = mount_id(walk->fd);
	if (!*target->host)
		return 0;
	if (descend(walk, target->host, strlen(target->directory) + 1, true, err) < 0)
		return -1;
	return check_end(walk, project, err);
}

static int work(const void *data, int *ret_fd, struct error *err)
{
	const struct target *target = data;
	_cleanup_free_ char *place = text_format("%s/%s", target->directory, target->host);
	struct walk walk = {.target = target, .fd = -1, .place = place};

	if (target->directory[0] != '/')
		return error_set(err, EX_DATAERR, "%s: not an absolute path", target->directory);
	if (walk_down(&walk, err) < 0) {
		cleanup_close(&walk.fd);
		return -1;
	}
	*ret_fd = walk.fd;
	return 0;
}

int target_open(const struct target *target, int *ret_fd, struct error *err)
{
	return identity_open(target->owner, work, target, ret_fd, err);
}

int target_identify(const struct identity *owner, const char *directory, char **ret_identity,
		    struct error *err)
{
	const struct target target = {.owner = owner, .directory = directory, .host = ""};
	_cleanup_close_ int fd = -1;
	struct statx status;

	if (target_open(&target, &fd, err) < 0)
		return -1;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &status) < 0 ||
	    !(status.stx_mask & STATX_BTIME))
		*ret_identity = text_dup("");
	else
		*ret_identity = text_format(
			"%" PRIu64 "@%" PRIi64 ".%09" PRIu32, (uint64_t)status.stx_ino,
			(int64_t)status.stx_btime.tv_sec, (uint32_t)status.stx_btime.tv_nsec);
	return 0;
}
