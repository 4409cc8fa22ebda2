/*
 * What is in an image was written by a guest, by way of the kernel's ext4. The programs that read
 * it outside the kernel get the image as their one descriptor and can do nothing else: uid 0
 * without a capability, no network, every file system read-only, a limit on memory and time.
 */
#include "share/format.h"

#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/process.h"
#include "base/text.h"
#include "share/share.h"

#define IMAGE	     "/proc/self/fd/0"
#define TIMEOUT	     1800 /* seconds; for a check of many TiB */
#define MEMORY_LIMIT (UINT64_C(4) << 30)

/* Of a child that was not allowed to be confined (base/process.c); none of these tools ends so. */
#define NOT_CONFINED 127

/* e2fsck(8): bits of its exit status. */
#define FSCK_CORRECTED 3

static int set_limits(void)
{
	static const struct {
		int resource;
		rlim_t limit;
	} limits[] = {
		{RLIMIT_AS, MEMORY_LIMIT},
		{RLIMIT_CPU, TIMEOUT},
		{RLIMIT_NOFILE, 64},
		{RLIMIT_CORE, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		const struct rlimit limit = {limits[i].limit, limits[i].limit};

		if (setrlimit((__rlimit_resource_t)limits[i].resource, &limit) < 0)
			return -1;
	}
	return 0;
}

static int make_all_read_only(void)
{
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};

	if (mount("", "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		return -1;
	return (int)syscall(SYS_mount_setattr, -1, "/", AT_RECURSIVE, &attributes,
			    sizeof(attributes));
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	for (int i = 0; prctl(PR_CAPBSET_READ, i) >= 0; i++)
		if (prctl(PR_CAPBSET_DROP, i) < 0)
			return -1;
	if (prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_capset, &header, none);
}

static int confine(void)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) < 0 || make_all_read_only() < 0 ||
	    set_limits() < 0)
		return -1;
	return drop_capabilities();
}

/* Runs it with the image as its input; only not being able to run it so is an error. */
static int run(const char *const *argv, int image, int *ret_status, struct error *err)
{
	struct process process = PROCESS_INIT;

	process.argv = argv;
	process.input = image;
	process.errors = PROCESS_NULL;
	process.timeout = TIMEOUT;
	process.confine = confine;
	if (process_start(&process, err) < 0)
		return error_hint(err, "install the package e2fsprogs");
	if (process_wait(&process, ret_status, err) < 0)
		return -1;
	if (*ret_status != NOT_CONFINED)
		return 0;
	error_set(err, EX_UNAVAILABLE, "the kernel cannot confine %s", argv[0]);
	return error_hint(err, "shares need Linux 5.14 or newer");
}

static int make_with(const char *options, int image, int *ret_status, struct error *err)
{
	/*
	 * One inode for 8 KiB instead of 16, as trees of small files (node_modules) need them; no
	 * blocks kept for root; errors make it read-only.
	 */
	const char *const argv[] = {"mkfs.ext4", "-F", "-q",  "-b", "4096",	  "-i",
				    "8192",	 "-m", "0",   "-e", "remount-ro", "-E",
				    options,	 "--", IMAGE, NULL};

	return run(argv, image, ret_status, err);
}

int format_make(int image, struct error *err)
{
	/*
	 * A new file is all zeros: writing inode tables would only allocate them. Older tools
	 * (before e2fsprogs 1.47) leave that to the kernel, which does it in the background.
	 */
	static const char *const ways[] = {"lazy_itable_init=0,assume_storage_prezeroed=1",
					   "lazy_itable_init=1,lazy_journal_init=1"};
	int status = -1;

	for (size_t i = 0; i < ARRAY_SIZE(ways) && status != 0; i++) {
		_cleanup_free_ char *options = text_format("root_owner=%d:%d,nodiscard,%s",
							   SHARE_GUEST_ID, SHARE_GUEST_ID, ways[i]);

		if (make_with(options, image, &status, err) < 0)
			return -1;
	}
	if (status != 0)
		return error_set(err, EX_CANTCREAT, "mkfs.ext4 failed with status %d", status);
	return 0;
}

int format_check(int image, struct error *err)
{
	static const char *const argv[] = {"e2fsck", "-p", "--", IMAGE, NULL};
	int status = 0;

	if (run(argv, image, &status, err) < 0)
		return -1;
	if (status & ~FSCK_CORRECTED)
		return error_set(err, EX_DATAERR,
				 "its file system is damaged (e2fsck -p ended with %d)", status);
	return 0;
}

int format_grow(int image, struct error *err)
{
	static const char *const check[] = {"e2fsck", "-f", "-p", "--", IMAGE, NULL};
	static const char *const grow[] = {"resize2fs", IMAGE, NULL};
	int status = 0;

	if (run(check, image, &status, err) < 0)
		return -1;
	if (!(status & ~FSCK_CORRECTED) && run(grow, image, &status, err) < 0)
		return -1;
	if (status & ~FSCK_CORRECTED)
		return error_set(err, EX_DATAERR, "its file system cannot be grown (status %d)",
				 status);
	return 0;
}
