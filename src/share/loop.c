/*
 * Every device of ours bears a mark, so that a sandbox's devices are found without any record of
 * them: what was half made when its maker was killed is found the same way.
 */
#include "share/loop.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "base/parse.h"
#include "base/text.h"

#define ATTEMPTS   64 /* somebody else may take the free device first */
#define NUMBER_MAX (1U << 20)

void loop_list_done(struct loop_list *list)
{
	free(list->items);
	*list = (struct loop_list){0};
}

static int open_device(unsigned int number, int flags)
{
	_cleanup_free_ char *path = text_format("/dev/loop%u", number);

	return open(path, flags | O_CLOEXEC | O_NOFOLLOW);
}

static bool is_bound(const char *entry)
{
	_cleanup_free_ char *path = text_format("/sys/block/%s/loop/backing_file", entry);

	return access(path, F_OK) == 0;
}

/* False when it has been let go meanwhile. */
static bool read_loop(unsigned int number, int fd, struct loop *ret_loop)
{
	struct loop_info64 info;

	if (fd < 0 || ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
		return false;
	*ret_loop = (struct loop){
		.number = number,
		.ends_by_itself = info.lo_flags & LO_FLAGS_AUTOCLEAR,
		.device = info.lo_device,
		.inode = info.lo_inode,
	};
	snprintf(ret_loop->mark, sizeof(ret_loop->mark), "%.*s", LO_NAME_SIZE - 1,
		 (const char *)info.lo_file_name);
	return true;
}

int loop_list(struct loop_list *ret_list, struct error *err)
{
	_cleanup_closedir_ DIR *dir = opendir("/sys/block");
	_cleanup_loops_ struct loop_list list = {0};
	const struct dirent *entry;

	if (!dir)
		return error_errno(err, EX_OSERR, "/sys/block");
	while ((entry = readdir(dir))) {
		_cleanup_close_ int fd = -1;
		struct loop loop;
		uint64_t number;

		if (!text_starts(entry->d_name, "loop") ||
		    parse_number(entry->d_name + 4, 0, NUMBER_MAX, &number) < 0 ||
		    !is_bound(entry->d_name))
			continue;
		fd = open_device((unsigned int)number, O_RDONLY);
		if (!read_loop((unsigned int)number, fd, &loop))
			continue;
		list.items = xreallocarray(list.items, list.count + 1, sizeof(loop));
		list.items[list.count++] = loop;
	}
	*ret_list = list;
	list = (struct loop_list){0};
	return 0;
}

bool loop_hold(const struct loop *loop, int *ret_fd)
{
	_cleanup_close_ int fd = open_device(loop->number, O_RDONLY);
	struct loop now;

	if (!read_loop(loop->number, fd, &now) || now.device != loop->device ||
	    now.inode != loop->inode || !text_equal(now.mark, loop->mark))
		return false;
	*ret_fd = take_fd(&fd);
	return true;
}

static int no_device(int control, struct error *err)
{
	if (control < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO)) {
		error_set(err, EX_UNAVAILABLE, "there are no loop devices, which shares need");
		return error_hint(err, "load the kernel's module: `sudo modprobe loop`");
	}
	error_errno(err, EX_TEMPFAIL, "no loop device is free");
	return error_hint(err, "`losetup -l` shows who has them; the kernel's parameter "
			       "loop.max_loop, or missing nodes in /dev, limit their number");
}

/* Gives 0 with *ret_fd set, or -1 with errno; EBUSY: somebody else was faster. */
static int bind_one(unsigned int number, int image, const char *mark, int *ret_fd)
{
	_cleanup_close_ int fd = open_device(number, O_RDWR);
	struct loop_config config = {
		.fd = (unsigned int)image,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO,
	};

	if (fd < 0)
		return -1;
	snprintf((char *)config.info.lo_file_name, LO_NAME_SIZE, "%s", mark);
	if (ioctl(fd, LOOP_CONFIGURE, &config) < 0)
		return -1;
	*ret_fd = take_fd(&fd);
	return 0;
}

int loop_bind(int image, const char *mark, unsigned int *ret_number, int *ret_fd, struct error *err)
{
	_cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (control < 0)
		return no_device(control, err);
	for (int i = 0; i < ATTEMPTS; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		if (number < 0)
			return no_device(control, err);
		if (bind_one((unsigned int)number, image, mark, ret_fd) == 0) {
			*ret_number = (unsigned int)number;
			return 0;
		}
		if (errno != EBUSY)
			return no_device(control, err);
	}
	return no_device(control, err);
}

void loop_release(unsigned int number)
{
	_cleanup_close_ int fd = open_device(number, O_RDONLY);

	if (fd >= 0)
		(void)ioctl(fd, LOOP_CLR_FD);
}
