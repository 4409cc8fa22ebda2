/*
 * Where images lie, and how one comes to be there whole or not at all: it is made as ID.new,
 * described, and only then called ID.img. An ID.new that has a description is complete, one that
 * has none is what was left of a maker that died.
 */
#include "share/image.h"

#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/text.h"
#include "share/format.h"
#include "share/share.h"

#define IMAGES_MAX 4096 /* of one user */
#define BLOCK_SIZE 4096
/* What ext4 leaves unused at the end, where a group's own data would not fit, at most. */
#define GROUP_REST  (UINT64_C(16) << 20)
#define REPAIR_ROOM (UINT64_C(1) << 20) /* besides the journal */

char *image_path(uid_t owner, const char *id)
{
	return text_format(IMAGE_DIR "/%u/%s.img", owner, id);
}

/* Opens directory @name of root's in @dirfd, making it if that is wanted. -1 with errno. */
static int open_own(int dirfd, const char *name, mode_t mode, bool make)
{
	_cleanup_close_ int fd = -1;
	struct stat status;

	if (make && mkdirat(dirfd, name, mode) < 0 && errno != EEXIST)
		return -1;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) < 0)
		return -1;
	if (status.st_uid != 0 || status.st_mode & 022) {
		errno = EPERM;
		return -1;
	}
	return take_fd(&fd);
}

/* The user's directory; *ret_fd is -1 when there is none and none is to be made. */
static int open_directory(uid_t owner, bool make, int *ret_fd, struct error *err)
{
	_cleanup_free_ char *name = text_format("%u", owner);
	_cleanup_close_ int base = open_own(AT_FDCWD, "/var/lib/migrant", 0711, make);
	_cleanup_close_ int shares = base < 0 ? -1 : open_own(base, "shares", 0711, make);

	*ret_fd = shares < 0 ? -1 : open_own(shares, name, 0700, make);
	if (*ret_fd < 0 && (make || errno != ENOENT))
		return error_errno(err, EX_CANTCREAT, IMAGE_DIR "/%s, root's own", name);
	return 0;
}

static int load_description(int dirfd, const char *id, uid_t owner,
			    struct description *ret_description, struct error *err)
{
	_cleanup_free_ char *file = text_format("%s.json", id);
	_cleanup_free_ char *text = NULL;
	_cleanup_description_ struct description description = {0};

	if (file_read(dirfd, file, DESCRIPTION_MAX, &text, NULL, err) < 0 ||
	    description_parse(text, &description, err) < 0) {
		error_prefix(err, IMAGE_DIR "/%u/%s", owner, file);
		return error_hint(err,
				  "this file says which project an image belongs to; restore it, "
				  "or move it away together with its image");
	}
	if (!text_equal(description.id, id) || description.owner != owner)
		return error_set(err, EX_DATAERR, IMAGE_DIR "/%u/%s describes another image", owner,
				 file);
	*ret_description = description;
	description = (struct description){0};
	return 0;
}

static bool exists(int dirfd, const char *id, const char *suffix)
{
	_cleanup_free_ char *file = text_format("%s%s", id, suffix);

	return faccessat(dirfd, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int publish(int dirfd, const char *id, struct error *err)
{
	_cleanup_free_ char *from = text_format("%s.new", id);
	_cleanup_free_ char *to = text_format("%s.img", id);

	if (renameat2(dirfd, from, dirfd, to, RENAME_NOREPLACE) < 0 || fsync(dirfd) < 0)
		return error_errno(err, EX_CANTCREAT, "cannot publish the image %s", to);
	return 0;
}

/* What a maker that died has left: completed if it can be, else taken away. */
static int recover(int dirfd, const char *file, struct error *err)
{
	_cleanup_free_ char *id = text_dup_n(file, strcspn(file, "."));

	if (text_ends(file, ".tmp")) {
		unlinkat(dirfd, file, 0);
		return 0;
	}
	if (!image_id_is_valid(id) || !text_ends(file, ".new"))
		return 0;
	if (exists(dirfd, id, ".json") && !exists(dirfd, id, ".img"))
		return publish(dirfd, id, err);
	unlinkat(dirfd, file, 0);
	return 0;
}

static int read_entry(int dirfd, const char *file, uid_t owner, struct image_list *list,
		      struct error *err)
{
	_cleanup_free_ char *id = text_dup_n(file, strcspn(file, "."));

	if (recover(dirfd, file, err) < 0)
		return -1;
	if (!image_id_is_valid(id) || !text_equal(file + IMAGE_ID_LENGTH, ".json"))
		return 0;
	if (list->count == IMAGES_MAX)
		return error_set(err, EX_DATAERR, IMAGE_DIR "/%u holds too many images", owner);
	list->items = xreallocarray(list->items, list->count + 1, sizeof(*list->items));
	if (load_description(dirfd, id, owner, &list->items[list->count], err) < 0)
		return -1;
	list->count++;
	return 0;
}

int image_list_load(uid_t owner, struct image_list *ret_list, struct error *err)
{
	_cleanup_images_ struct image_list list = {0};
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	int fd = -1;

	if (open_directory(owner, false, &fd, err) < 0)
		return -1;
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (fd >= 0 && !dir) {
		close(fd);
		return error_set(err, EX_OSERR, "cannot read " IMAGE_DIR);
	}
	while (dir && (entry = readdir(dir)))
		if (read_entry(fd, entry->d_name, owner, &list, err) < 0)
			return -1;
	*ret_list = list;
	list = (struct image_list){0};
	return 0;
}

void image_list_done(struct image_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		description_done(&list->items[i]);
	free(list->items);
	*list = (struct image_list){0};
}

int image_owners(uid_t **ret_owners, size_t *ret_count, struct error *err)
{
	_cleanup_closedir_ DIR *dir = opendir(IMAGE_DIR);
	const struct dirent *entry;
	uid_t *owners = NULL;
	size_t count = 0;

	if (!dir && errno != ENOENT)
		return error_errno(err, EX_OSERR, IMAGE_DIR);
	while (dir && (entry = readdir(dir))) {
		uint64_t number;

		if (parse_number(entry->d_name, 0, (uid_t)-1 - UINT64_C(1), &number) < 0)
			continue;
		owners = xreallocarray(owners, count + 1, sizeof(*owners));
		owners[count++] = (uid_t)number;
	}
	*ret_owners = owners;
	*ret_count = count;
	return 0;
}

static int choose_id(char **slot, struct error *err)
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return error_errno(err, EX_OSERR, "no random numbers");
	free(*slot);
	*slot = text_format("%016llx", (unsigned long long)number);
	return 0;
}

static int full(const struct description *description, struct error *err)
{
	bool too_large = errno == EFBIG;

	error_errno(err, EX_CANTCREAT, "cannot allocate the %llu MiB of the share %s",
		    (unsigned long long)(description->size >> 20), description->host);
	if (too_large)
		return error_hint(err,
				  "lower 'size': the file system of " IMAGE_DIR " has no files "
				  "that large (ext4: just below 16T)");
	return error_hint(err,
			  "free space below " IMAGE_DIR ", lower 'size', or take out 'reserve'");
}

/* The file system first and the space after: what is allocated is not written to then. */
static int fill(const struct description *description, int fd, bool reserve, struct error *err)
{
	if (ftruncate(fd, (off_t)description->size) < 0)
		return full(description, err);
	if (format_make(fd, err) < 0)
		return error_prefix(err, "the image of the share %s", description->host);
	if (reserve && image_reserve(description, fd, err) < 0)
		return -1;
	return fsync(fd) < 0 ? full(description, err) : 0;
}

static int store_description(int dirfd, const struct description *description, struct error *err)
{
	_cleanup_free_ char *file = text_format("%s.json", description->id);
	_cleanup_free_ char *text = description_format(description);

	return file_replace(dirfd, file, text, strlen(text), 0600, err);
}

static void remove_description(int dirfd, const char *id)
{
	_cleanup_free_ char *file = text_format("%s.json", id);

	unlinkat(dirfd, file, 0);
}

static int make_in(int dirfd, const struct description *description, const char *file, bool reserve,
		   struct error *err)
{
	_cleanup_close_ int fd =
		openat(dirfd, file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_errno(err, EX_CANTCREAT, "cannot make the image %s", file);
	if (fill(description, fd, reserve, err) < 0 ||
	    store_description(dirfd, description, err) < 0)
		return -1;
	return publish(dirfd, description->id, err);
}

int image_make(struct description *description, bool reserve, struct error *err)
{
	_cleanup_close_ int dirfd = -1;
	_cleanup_free_ char *file = NULL;

	if (choose_id(&description->id, err) < 0 ||
	    clock_text(time(NULL), &description->created, err) < 0 ||
	    open_directory(description->owner, true, &dirfd, err) < 0)
		return -1;
	file = text_format("%s.new", description->id);
	if (make_in(dirfd, description, file, reserve, err) == 0)
		return 0;
	unlinkat(dirfd, file, 0);
	remove_description(dirfd, description->id);
	return -1;
}

static int check_file(const struct description *description, int fd, struct error *err)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_errno(err, EX_IOERR, "the image of the share %s", description->host);
	if (!S_ISREG(status.st_mode) || status.st_uid != 0 || status.st_mode & 077 ||
	    status.st_nlink != 1)
		return error_set(err, EX_DATAERR,
				 "the image of the share %s is not a file of root's alone",
				 description->host);
	if ((uint64_t)status.st_size > description->size)
		return error_set(err, EX_DATAERR,
				 "the image of the share %s is not the one that was made for it",
				 description->host);
	return 0;
}

int image_open(const struct description *description, int *ret_fd, struct error *err)
{
	_cleanup_free_ char *path = image_path(description->owner, description->id);
	_cleanup_close_ int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		error_set(err, EX_NOINPUT, "the image of the share %s is missing: %s",
			  description->host, path);
		return error_hint(err,
				  "restore it from a backup, or begin anew after `migrant storage "
				  "--delete %s`",
				  description->id);
	}
	if (fd < 0)
		return error_errno(err, errno == ELOOP ? EX_DATAERR : EX_IOERR, "%s", path);
	if (check_file(description, fd, err) < 0)
		return error_hint(err, "put back what was at %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return error_errno(err, EX_TEMPFAIL, "the share %s is in use", description->host);
	*ret_fd = take_fd(&fd);
	return 0;
}

int image_describe(const struct description *description, struct error *err)
{
	_cleanup_close_ int dirfd = -1;

	if (open_directory(description->owner, true, &dirfd, err) < 0)
		return -1;
	return store_description(dirfd, description, err);
}

/* Of its superblock (linux/fs/ext4/ext4.h); all zero when it cannot be read. */
struct file_system {
	uint64_t size, journal; /* bytes */
	bool clean;		/* it was unmounted, and nothing was wrong with it */
};

static uint32_t read_32(const uint8_t *superblock, size_t offset)
{
	uint32_t value;

	memcpy(&value, superblock + offset, sizeof(value));
	return le32toh(value);
}

static struct file_system look(int fd)
{
	const uint32_t needs_recovery = 0x4, valid = 1;
	uint8_t superblock[1024];

	if (pread(fd, superblock, sizeof(superblock), 1024) != sizeof(superblock))
		return (struct file_system){0};
	return (struct file_system){
		.size = ((uint64_t)read_32(superblock, 0x150) << 32 | read_32(superblock, 0x4)) *
			BLOCK_SIZE,
		.journal = read_32(superblock, 0x14c), /* in the copy of its inode */
		.clean = (read_32(superblock, 0x38) >> 16) == valid &&
			 !(read_32(superblock, 0x60) & needs_recovery),
	};
}

/*
 * What the journal holds is written to where it belongs, for which the host's disk needs room. When
 * e2fsck has tried that on a full disk, the journal is gone.
 */
int image_check_room(const struct description *description, int fd, struct error *err)
{
	const struct file_system found = look(fd);
	uint64_t needed = found.journal + REPAIR_ROOM;
	struct statvfs disk;

	if (found.clean || fstatvfs(fd, &disk) < 0 ||
	    (uint64_t)disk.f_bavail * disk.f_frsize >= needed)
		return 0;
	error_set(err, EX_CANTCREAT,
		  "the share %s was not unmounted in order, and the disk is too full to recover it",
		  description->host);
	return error_hint(err, "see that below " IMAGE_DIR " %llu MiB are free, then try again",
			  (unsigned long long)(needed >> 20));
}

int image_grow(const struct description *description, int fd, struct error *err)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_errno(err, EX_IOERR, "the image of the share %s", description->host);
	/* A file that has its size while the file system has not: a maker died in between. */
	if ((uint64_t)status.st_size == description->size &&
	    look(fd).size + GROUP_REST >= description->size)
		return 0;
	if (ftruncate(fd, (off_t)description->size) < 0)
		return full(description, err);
	if (format_grow(fd, err) < 0)
		return error_prefix(err, "the share %s", description->host);
	return 0;
}

/* Looks first, for a disk that was filled by trying would stay full. */
int image_reserve(const struct description *description, int fd, struct error *err)
{
	struct statvfs disk;
	struct stat status;
	uint64_t allocated;

	if (fstat(fd, &status) < 0 || fstatvfs(fd, &disk) < 0)
		return full(description, err);
	allocated = (uint64_t)status.st_blocks * 512;
	errno = ENOSPC;
	if (allocated < description->size &&
	    (uint64_t)disk.f_bavail * disk.f_frsize < description->size - allocated)
		return full(description, err);
	if (fallocate(fd, 0, 0, (off_t)description->size) < 0)
		return full(description, err);
	return 0;
}

uint64_t image_allocated(const struct description *description)
{
	_cleanup_free_ char *path = image_path(description->owner, description->id);
	struct stat status;

	if (lstat(path, &status) < 0)
		return 0;
	return (uint64_t)status.st_blocks * 512;
}

int image_delete(const struct description *description, struct error *err)
{
	_cleanup_free_ char *image = text_format("%s.img", description->id);
	_cleanup_free_ char *text = text_format("%s.json", description->id);
	_cleanup_error_ struct error opening = ERROR_INIT;
	_cleanup_close_ int dirfd = -1;
	_cleanup_close_ int fd = -1;

	if (image_open(description, &fd, &opening) < 0 && opening.code == EX_TEMPFAIL) {
		error_move(err, &opening);
		return -1;
	}
	if (open_directory(description->owner, false, &dirfd, err) < 0)
		return -1;
	if (dirfd < 0)
		return 0;
	if ((unlinkat(dirfd, image, 0) < 0 && errno != ENOENT) ||
	    (unlinkat(dirfd, text, 0) < 0 && errno != ENOENT))
		return error_errno(err, EX_IOERR, "cannot delete the image %s", image);
	return 0;
}
