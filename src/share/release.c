/*
 * Taking shares away, whatever of them there is: no record is needed, for the devices bear the
 * sandbox's mark and what is not on such a device is mounted in its directory.
 */
#include <poll.h>
#include <string.h>

#include "base/mount.h"
#include "base/text.h"
#include "share/everywhere.h"
#include "share/loop.h"
#include "share/mark.h"
#include "share/shares.h"

#define SETTLE_MS 10000

static char *directory_of(const char *name)
{
	return text_format("/run/migrant/%s/shares/", name);
}

/* The devices and the directory of one sandbox. */
static int find_remains(const char *name, const char *below, unsigned int **ret_numbers,
			struct remains *ret_remains, struct error *err)
{
	*ret_remains = (struct remains){.below = below, .owner = (uid_t)-1};
	if (mark_find(name, ret_numbers, &ret_remains->loop_count, &ret_remains->owner, err) < 0)
		return -1;
	ret_remains->loops = *ret_numbers;
	return 0;
}

int shares_owner(const char *name, bool *ret_found, uid_t *ret_owner, struct error *err)
{
	_cleanup_free_ unsigned int *numbers = NULL;
	size_t count = 0;

	if (mark_find(name, &numbers, &count, ret_owner, err) < 0)
		return -1;
	*ret_found = count > 0;
	return 0;
}

/*
 * The kernel lets go of a device some time after its last mount has gone: when what was written has
 * reached the disk. Who uses it by a file of his own is not waited for.
 */
static int settle(const char *name, const char *below, struct error *err)
{
	for (int waited = 0, pause = 1; waited < SETTLE_MS; waited += pause, pause *= 2) {
		_cleanup_free_ unsigned int *numbers = NULL;
		_cleanup_lines_ struct lines users = {0};
		struct remains remains;

		if (find_remains(name, below, &numbers, &remains, err) < 0)
			return -1;
		if (!remains.loop_count)
			return 0;
		everywhere_users(&remains, &users);
		if (users.count)
			return 0;
		(void)poll(NULL, 0, pause);
	}
	return 0;
}

/* Devices that somebody uses still let go of themselves later. */
static int report_left(const char *name, const char *below, struct lines *left, struct error *err)
{
	_cleanup_free_ unsigned int *numbers = NULL;
	struct remains remains;

	if (find_remains(name, below, &numbers, &remains, err) < 0)
		return -1;
	for (size_t i = 0; i < remains.loop_count; i++)
		lines_addf(left, "/dev/loop%u is still in use", numbers[i]);
	if (remains.loop_count || everywhere_is_mounted(&remains))
		everywhere_users(&remains, left);
	return 0;
}

/* The directory is removed after this, with what is in it: that must not be anybody's files. */
static int check_unmounted(const char *below, struct error *err)
{
	_cleanup_mounts_ struct mount_list list = {0};

	if (mount_list_load("/proc/self/mountinfo", &list, err) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++)
		if (text_starts(list.items[i].point, below))
			return error_set(err, EX_OSERR, "cannot unmount %s", list.items[i].point);
	return 0;
}

int shares_release(const char *name, struct lines *left, struct error *err)
{
	_cleanup_free_ char *below = directory_of(name);
	_cleanup_free_ unsigned int *numbers = NULL;
	struct remains remains;

	if (find_remains(name, below, &numbers, &remains, err) < 0 ||
	    everywhere_end_servers(&remains, err) < 0 || everywhere_unmount(&remains, err) < 0 ||
	    check_unmounted(below, err) < 0)
		return -1;
	for (size_t i = 0; i < remains.loop_count; i++)
		loop_release(numbers[i]);
	if (settle(name, below, err) < 0)
		return -1;
	return report_left(name, below, left, err);
}
