/*
 * The directory of a running sandbox. Root alone writes here: everybody may read the record, and
 * what else lies beside it is nobody's business.
 */
#include "hook/sandbox_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"

char *sandbox_directory(const char *name)
{
	return text_format(RUN_DIR "/%s", name);
}

struct sandbox sandbox_of(const struct metadata *metadata, const char *directory)
{
	return (struct sandbox){
		.name = metadata->name,
		.uuid = metadata->uuid,
		.directory = directory,
		.wire = &metadata->wire,
		.policy = &metadata->policy,
		.tunnel = metadata->policy.tunnel ? &metadata->tunnel : NULL,
	};
}

/* Makes a directory of root's that others may only pass through. */
static int make_directory(const char *path, struct error *err)
{
	struct stat status;

	if (mkdir(path, 0711) < 0 && errno != EEXIST)
		return error_errno(err, EX_CANTCREAT, "cannot make %s", path);
	if (lstat(path, &status) < 0)
		return error_errno(err, EX_CANTCREAT, "%s", path);
	if (!S_ISDIR(status.st_mode) || status.st_uid != 0 || status.st_mode & 022)
		return error_set(err, EX_NOPERM, "%s is not a directory of root alone", path);
	return 0;
}

/* The directory itself is what is locked: a lock file would be one more thing to leave behind. */
int sandbox_lock(int *ret_fd, struct error *err)
{
	_cleanup_close_ int fd = -1;

	if (make_directory(RUN_DIR, err) < 0)
		return -1;
	fd = open(RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_errno(err, EX_CANTCREAT, RUN_DIR);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return error_errno(err, EX_OSERR, "cannot lock " RUN_DIR);
	*ret_fd = take_fd(&fd);
	return 0;
}

void sandbox_directory_sweep(void)
{
	_cleanup_closedir_ DIR *dir = opendir(RUN_DIR);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (text_ends(entry->d_name, ".tmp"))
			(void)!unlinkat(dirfd(dir), entry->d_name, 0);
}

int sandbox_directory_make(const char *name, struct error *err)
{
	_cleanup_free_ char *path = sandbox_directory(name);

	return make_directory(path, err);
}

int sandbox_directory_remove(const char *name, struct error *err)
{
	_cleanup_free_ char *record = text_format(RUN_DIR "/%s/" RECORD_FILE, name);
	_cleanup_close_ int run = open(RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (run < 0)
		return errno == ENOENT ? 0 : error_errno(err, EX_OSERR, RUN_DIR);
	if (unlink(record) < 0 && errno != ENOENT)
		return error_errno(err, EX_OSERR, "%s", record);
	return file_remove_tree(run, name, err);
}

int sandbox_record_store(const struct record *record, struct error *err)
{
	_cleanup_free_ char *path = text_format(RUN_DIR "/%s/" RECORD_FILE, record->name);
	_cleanup_free_ char *text = record_format(record);

	return file_replace(AT_FDCWD, path, text, strlen(text), 0644, err);
}

int sandbox_policy_store(const char *name, const struct policy *policy, struct error *err)
{
	_cleanup_free_ char *path = text_format(RUN_DIR "/%s/" POLICY_FILE, name);
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	policy_canonical(policy, &text);
	return file_replace(AT_FDCWD, path, text.text, text.length, 0600, err);
}

int sandbox_policy_load(const char *name, struct policy *ret_policy, struct error *err)
{
	_cleanup_free_ char *path = text_format(RUN_DIR "/%s/" POLICY_FILE, name);
	_cleanup_free_ char *text = NULL;

	if (file_read(AT_FDCWD, path, RECORD_MAX, &text, NULL, err) < 0)
		return -1;
	if (policy_parse(text, ret_policy, err) < 0)
		return error_prefix(err, "%s", path);
	return 0;
}
