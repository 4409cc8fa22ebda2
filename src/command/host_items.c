/*
 * What `migrant setup` puts on a host: the table, and the items that are files, directories and
 * mounts. The hook and the helper are copied to /usr/sbin whatever the prefix is: libvirtd's
 * AppArmor profile runs what lies there unconfined, and libvirt has one place to look.
 */
#include "command/host.h"

#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "base/version.h"
#include "hook/network_log.h"
#include "hook/protocol.h"

#define HOOKS_DIR     "/etc/libvirt/hooks"
#define HOOK_LINK     HOOKS_DIR "/qemu.d/migrant"
#define FOREIGN_HOOK  HOOKS_DIR "/qemu"
#define TMPFILES_CONF "/etc/tmpfiles.d/migrant.conf"
#define TMPFILES_TEXT "d " RUN_DIR " 0711 root root -\nd " NETNS_DIR " 0755 root root -\n"
#define RUN_MODE      0711
#define PROGRAM_MAX   (64 << 20)
#define MOUNTINFO_MAX (16 << 20)

/* A program of the root side: where it belongs and how. */
struct program {
	const char *name;
	const char *path;
	mode_t mode;
	bool for_group; /* group libvirt, else root */
};

static const struct program hook = {"migrant-hook", HOOK_PATH, 0755, false};
static const struct program helper = {"migrant-helper", HELPER_PATH, 04750, true};
static const struct program virtiofsd = {"migrant-virtiofsd", SHARE_VIRTIOFSD, 0755, false};

/* -- group -- */

static void group_check(struct host_finding *found)
{
	gid_t group;

	if (host_group(&group))
		return finding_set(found, HOST_OK, "group libvirt is there");
	finding_set(found, HOST_ERROR, "there is no group libvirt");
	finding_hint(found, "install libvirt (Debian: libvirt-daemon-system)");
}

static int group_fix(struct error *err)
{
	const char *const argv[] = {"groupadd", "--system", "libvirt", NULL};
	struct process process = PROCESS_INIT;

	process.argv = argv;
	return process_run(&process, err);
}

/* -- hook, helper and virtiofsd's wrapper -- */

/* The built program: in a build tree beside migrant, installed in its libexec directory. */
static char *program_source(const struct program *program)
{
	static const char *const places[] = {"", "../libexec/migrant/"};
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self));

	while (length > 0 && length < (ssize_t)sizeof(self) && self[length - 1] != '/')
		length--;
	for (size_t i = 0; length > 0 && i < ARRAY_SIZE(places); i++) {
		_cleanup_free_ char *path =
			text_format("%.*s%s%s", (int)length, self, places[i], program->name);

		/* installed into /usr/sbin itself, the copy would be compared with itself */
		if (!text_equal(path, program->path) && access(path, F_OK) == 0)
			return take_ptr(path);
	}
	return text_format("%s/%s", MIGRANT_LIBEXECDIR, program->name);
}

static gid_t program_group(const struct program *program)
{
	gid_t group = 0;

	if (program->for_group && !host_group(&group))
		return (gid_t)-1;
	return group;
}

static bool has_right_owner(const struct program *program, const struct stat *status)
{
	return S_ISREG(status->st_mode) && status->st_uid == 0 &&
	       status->st_gid == program_group(program) &&
	       (status->st_mode & 07777) == program->mode;
}

/* Compares the installed program with the built one, byte by byte. */
static void compare_program(const struct program *program, struct host_finding *found)
{
	_cleanup_free_ char *source = program_source(program);
	_cleanup_free_ char *built = NULL, *installed = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;
	size_t built_length, installed_length;

	if (file_read(AT_FDCWD, program->path, PROGRAM_MAX, &installed, &installed_length, &err) <
	    0) {
		finding_from_error(found, &err);
		if (geteuid() != 0)
			found->state = HOST_WARNING;
		return;
	}
	if (file_read(AT_FDCWD, source, PROGRAM_MAX, &built, &built_length, &err) < 0) {
		finding_from_error(found, &err);
		return finding_hint(found, "install migrant again: cmake --install build");
	}
	if (built_length == installed_length && memcmp(built, installed, built_length) == 0)
		return finding_set(found, HOST_OK, "%s, version %s", program->path,
				   MIGRANT_VERSION);
	finding_set(found, HOST_ERROR, "%s is not the one of this migrant (version %s)",
		    program->path, MIGRANT_VERSION);
}

static void program_check(const struct program *program, struct host_finding *found)
{
	struct stat status;

	if (lstat(program->path, &status) < 0)
		finding_set(found, HOST_ERROR, "%s is not installed", program->path);
	else if (!has_right_owner(program, &status))
		finding_set(found, HOST_ERROR, "%s has mode %04o and owner %u:%u, not %04o root:%s",
			    program->path, status.st_mode & 07777U, status.st_uid, status.st_gid,
			    program->mode, program->for_group ? "libvirt" : "root");
	else
		compare_program(program, found);
}

/* Owner before mode: chown(2) takes the set-uid bit away. Published whole, by a rename. */
static int write_program(const struct program *program, const char *temporary, const char *bytes,
			 size_t length)
{
	_cleanup_close_ int fd =
		open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || file_write_fd(fd, bytes, length) < 0)
		return -1;
	if (fchown(fd, 0, program_group(program)) < 0 || fchmod(fd, program->mode) < 0 ||
	    fsync(fd) < 0)
		return -1;
	return rename(temporary, program->path);
}

static int program_fix(const struct program *program, struct error *err)
{
	_cleanup_free_ char *source = program_source(program);
	_cleanup_free_ char *temporary = text_format("%s.new", program->path);
	_cleanup_free_ char *bytes = NULL;
	size_t length;

	if (program_group(program) == (gid_t)-1)
		return error_set(err, EX_UNAVAILABLE, "there is no group libvirt");
	if (file_read(AT_FDCWD, source, PROGRAM_MAX, &bytes, &length, err) < 0)
		return error_hint(err, "install migrant again: cmake --install build");
	unlink(temporary); /* of a set-up that was killed */
	if (write_program(program, temporary, bytes, length) < 0) {
		error_errno(err, EX_CANTCREAT, "cannot install %s", program->path);
		unlink(temporary);
		return -1;
	}
	return 0;
}

static int remove_file(const char *path, struct host_finding *found, struct error *err)
{
	if (unlink(path) == 0)
		finding_set(found, HOST_CHANGED, "removed %s", path);
	else if (errno == ENOENT)
		finding_set(found, HOST_OK, "there is no %s", path);
	else
		return error_errno(err, EX_IOERR, "cannot remove %s", path);
	return 0;
}

static void hook_check(struct host_finding *found)
{
	program_check(&hook, found);
}

static int hook_fix(struct error *err)
{
	return program_fix(&hook, err);
}

static int hook_remove(struct host_finding *found, struct error *err)
{
	return remove_file(hook.path, found, err);
}

static void helper_check(struct host_finding *found)
{
	program_check(&helper, found);
}

static int helper_fix(struct error *err)
{
	return program_fix(&helper, err);
}

static int helper_remove(struct host_finding *found, struct error *err)
{
	return remove_file(helper.path, found, err);
}

static void virtiofsd_check(struct host_finding *found)
{
	program_check(&virtiofsd, found);
}

static int virtiofsd_fix(struct error *err)
{
	return program_fix(&virtiofsd, err);
}

static int virtiofsd_remove(struct host_finding *found, struct error *err)
{
	return remove_file(virtiofsd.path, found, err);
}

/* -- the link by which libvirt finds the hook -- */

static bool is_our_link(void)
{
	char target[sizeof(HOOK_PATH) + 1] = "";

	return readlink(HOOK_LINK, target, sizeof(target) - 1) > 0 && text_equal(target, HOOK_PATH);
}

static void link_check(struct host_finding *found)
{
	bool foreign = access(FOREIGN_HOOK, F_OK) == 0;
	struct stat status;

	if (is_our_link())
		finding_set(found, HOST_OK, "%s leads to the hook%s", HOOK_LINK,
			    foreign ? ", beside another hook of this host" : "");
	else if (lstat(HOOK_LINK, &status) == 0)
		finding_set(found, HOST_ERROR, "%s does not lead to %s", HOOK_LINK, HOOK_PATH);
	else
		finding_set(found, HOST_ERROR, "there is no %s", HOOK_LINK);
}

static int link_fix(struct error *err)
{
	if (file_make_dirs(HOOKS_DIR "/qemu.d", 0755, err) < 0)
		return -1;
	unlink(HOOK_LINK ".new");
	if (symlink(HOOK_PATH, HOOK_LINK ".new") < 0 || rename(HOOK_LINK ".new", HOOK_LINK) < 0)
		return error_errno(err, EX_CANTCREAT, "cannot make the link %s", HOOK_LINK);
	return 0;
}

static int link_remove(struct host_finding *found, struct error *err)
{
	struct stat status;

	if (lstat(HOOK_LINK, &status) == 0 && !is_our_link()) {
		finding_set(found, HOST_WARNING, "%s is not our link and stays", HOOK_LINK);
		return 0;
	}
	if (remove_file(HOOK_LINK, found, err) < 0)
		return -1;
	rmdir(HOOKS_DIR "/qemu.d"); /* stays while others have hooks in it */
	return 0;
}

/* -- /run/migrant -- */

static bool tmpfiles_are_right(void)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = NULL;

	if (!host_has_systemd())
		return true;
	return file_read(AT_FDCWD, TMPFILES_CONF, 4096, &text, NULL, &err) == 0 &&
	       text_equal(text, TMPFILES_TEXT);
}

static void run_check(struct host_finding *found)
{
	struct stat status;

	if (lstat(RUN_DIR, &status) < 0)
		finding_set(found, HOST_ERROR, "there is no %s", RUN_DIR);
	else if (!S_ISDIR(status.st_mode) || status.st_uid != 0 ||
		 (status.st_mode & 07777) != RUN_MODE)
		finding_set(found, HOST_ERROR, "%s is not a directory of root with mode %04o",
			    RUN_DIR, RUN_MODE);
	else if (!tmpfiles_are_right())
		finding_set(found, HOST_ERROR, "%s is not made at boot", RUN_DIR);
	else
		finding_set(found, HOST_OK, "%s is there", RUN_DIR);
}

static int run_fix(struct error *err)
{
	if (mkdir(RUN_DIR, RUN_MODE) < 0 && errno != EEXIST)
		return error_errno(err, EX_CANTCREAT, "cannot make %s", RUN_DIR);
	if (lchown(RUN_DIR, 0, 0) < 0 || chmod(RUN_DIR, RUN_MODE) < 0)
		return error_errno(err, EX_CANTCREAT, "cannot set the mode of %s", RUN_DIR);
	if (tmpfiles_are_right())
		return 0;
	if (file_make_dirs("/etc/tmpfiles.d", 0755, err) < 0)
		return -1;
	return file_replace(AT_FDCWD, TMPFILES_CONF, TMPFILES_TEXT, strlen(TMPFILES_TEXT), 0644,
			    err);
}

static int run_remove(struct host_finding *found, struct error *err)
{
	rmdir(NETWORK_LOG_DIR); /* stays while a halted sandbox has a log in it */
	if (unlink(TMPFILES_CONF) < 0 && errno != ENOENT)
		return error_errno(err, EX_IOERR, "cannot remove %s", TMPFILES_CONF);
	if (access(RUN_DIR, F_OK) < 0)
		finding_set(found, HOST_OK, "there is no %s", RUN_DIR);
	else if (rmdir(RUN_DIR) == 0)
		finding_set(found, HOST_CHANGED, "removed %s", RUN_DIR);
	else
		return error_errno(err, EX_IOERR, "cannot remove %s", RUN_DIR);
	return 0;
}

/* -- mounts: a namespace that ends must end everywhere, so its mount must propagate -- */

static const char *const shared_paths[] = {"/", RUN_DIR, NETNS_DIR};

static bool is_shared(const char *path)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *mountinfo = NULL;
	struct statx status;

	if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &status) < 0 ||
	    file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &mountinfo, NULL, &err) < 0)
		return false;
	return mountinfo_is_shared(mountinfo, status.stx_mnt_id);
}

static void mounts_check(struct host_finding *found)
{
	for (size_t i = 0; i < ARRAY_SIZE(shared_paths); i++)
		if (!is_shared(shared_paths[i])) {
			finding_set(found, HOST_ERROR, "%s is not a shared mount", shared_paths[i]);
			return;
		}
	finding_set(found, HOST_OK, "/, %s and %s propagate their mounts", RUN_DIR, NETNS_DIR);
}

static int share_mount(const char *path, struct error *err)
{
	bool is_root = text_equal(path, "/");

	if (is_shared(path))
		return 0;
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return error_errno(err, EX_CANTCREAT, "cannot make %s", path);
	if (is_shared(path))
		return 0;
	/* the rest is on a mount that is not ours to change: give the directory one of its own */
	if (!is_root && mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0)
		return error_errno(err, EX_OSERR, "cannot mount %s on itself", path);
	if (mount(NULL, path, NULL, MS_SHARED | (is_root ? MS_REC : 0), NULL) < 0)
		return error_errno(err, EX_OSERR, "cannot make %s a shared mount", path);
	return 0;
}

static int mounts_fix(struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(shared_paths); i++)
		if (share_mount(shared_paths[i], err) < 0)
			return -1;
	return 0;
}

/* /run/migrant's own mount goes, so that run_remove(), which comes later, can delete the directory.
 */
static int mounts_remove(struct host_finding *found, struct error *err)
{
	if (umount2(RUN_DIR, UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		return error_errno(err, EX_OSERR, "cannot unmount %s", RUN_DIR);
	finding_set(found, HOST_OK, "/ stays a shared mount, as systemd makes it");
	return 0;
}

/* Taken away in the reverse order. */
const struct host_item host_items[] = {
	{"group", group_check, group_fix, NULL},
	{"run directory", run_check, run_fix, run_remove},
	{"mounts", mounts_check, mounts_fix, mounts_remove},
	{"hook", hook_check, hook_fix, hook_remove},
	{"helper", helper_check, helper_fix, helper_remove},
	{"virtiofsd", virtiofsd_check, virtiofsd_fix, virtiofsd_remove},
	{"hook link", link_check, link_fix, link_remove},
	{"access", host_access_check, host_access_fix, host_access_remove},
	{"daemon", host_daemon_check, host_daemon_fix, NULL},
	{"pool", host_pool_check, host_pool_fix, host_pool_remove},
	{0},
};
