/*
 * What the text of a Migrantfile cannot tell about its shares: what lies where they point. A guest
 * writes into a share, so nothing that the host reads or runs may be reached through it, and the
 * way to it may be changed by nobody but its owner and root.
 *
 * The root side looks at the mount point again when it mounts, by descriptor (share/): here the
 * mistakes of an honest user are named with their place, before anything was made.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "config/grammar.h"
#include "config/reader.h"

/* A search for other projects is a help against mistakes and no barrier, so it may end early. */
#define SEARCH_ENTRIES_MAX 20000
#define SEARCH_DEPTH_MAX   6

static int refuse(const struct config *config, const struct config_share *share, struct error *err,
		  const char *format, ...) PRINTF_LIKE(4, 5);

static int refuse(const struct config *config, const struct config_share *share, struct error *err,
		  const char *format, ...)
{
	_cleanup_free_ char *reason = NULL;
	va_list args;

	va_start(args, format);
	reason = text_format_args(format, args);
	va_end(args);
	return config_error(config, share->host_position, err, "%s", reason);
}

/* Why somebody else can change the file, or what lies in the directory; or NULL. */
static const char *changed_by_others(const struct stat *status)
{
	if (status->st_uid != 0 && status->st_uid != geteuid())
		return "belongs to another user";
	if (S_ISDIR(status->st_mode) && status->st_mode & S_ISVTX)
		return NULL; /* only the owner of an entry renames it */
	if (status->st_mode & S_IWOTH)
		return "can be changed by every user";
	if (status->st_mode & S_IWGRP && status->st_gid != 0 && status->st_gid != getegid())
		return "can be changed by another group";
	return NULL;
}

const char *changed_on_the_way(const char *path, char **ret_place)
{
	_cleanup_free_ char *at = text_dup(path);
	struct stat status;

	for (;;) {
		const char *why =
			stat(at, &status) < 0 ? "cannot be looked at" : changed_by_others(&status);
		char *slash = strrchr(at, '/');

		if (why) {
			*ret_place = take_ptr(at);
			return why;
		}
		if (!at[1])
			return NULL;
		slash[slash == at] = '\0';
	}
}

/* The project's own directory and all above it. */
static int check_above(const struct config *config, struct error *err)
{
	_cleanup_free_ char *place = NULL;
	const char *why = changed_on_the_way(config->directory, &place);

	if (!why)
		return 0;
	refuse(config, &config->shares[0], err, "the way to the share is not yours alone: %s %s",
	       place, why);
	return error_hint(err, "move the project to a directory that only you and root can change");
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* True when the directory @path or one above it is the one of @status, whatever it is called. */
static bool is_at_or_above(const struct stat *status, const char *path)
{
	_cleanup_free_ char *at = text_dup(path);
	struct stat above;

	for (;;) {
		char *slash = strrchr(at, '/');

		if (stat(at, &above) == 0 && same_file(status, &above))
			return true;
		if (!slash || !at[1])
			return false;
		slash[slash == at] = '\0';
	}
}

static int check_identity(const struct config *config, const struct config_share *share,
			  const struct stat *status, struct error *err)
{
	const struct passwd *user = getpwuid(geteuid());
	const struct {
		const char *path, *what;
	} places[] = {
		{config->directory, "the project itself"},
		{getenv("HOME"), "your home directory"},
		{user ? user->pw_dir : NULL, "your home directory"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		_cleanup_free_ char *path =
			places[i].path && places[i].path[0] ? realpath(places[i].path, NULL) : NULL;

		if (path && is_at_or_above(status, path))
			return refuse(config, share, err, "the share '%s' is or holds %s",
				      share->host, places[i].what);
	}
	return 0;
}

/* What the host reads or runs, by way of links too: "hooks" may be one into the share. */
static int check_links(const struct config *config, const struct config_share *share,
		       struct error *err)
{
	_cleanup_free_ char *inside = text_format("%s/%s", config->directory, share->host);
	_cleanup_host_files_ struct host_files files = {0};

	host_files(config, &files);
	for (size_t i = 0; i < files.count; i++) {
		_cleanup_free_ char *path = config_path(config, files.items[i].path);
		_cleanup_free_ char *real = realpath(path, NULL);
		const char *target =
			real ? real : path; /* not there yet: the guest could make it */

		if (paths_overlap(inside, target) && strlen(target) >= strlen(inside))
			return refuse(config, share, err, "%s, '%s', leads into the share '%s'",
				      files.items[i].what, files.items[i].path, share->host);
	}
	return 0;
}

static bool has_migrantfile(int directory)
{
	struct stat status;

	return fstatat(directory, "Migrantfile", &status, AT_SYMLINK_NOFOLLOW) == 0;
}

/* True when another project is found below; *budget bounds how much is looked at. */
static bool search_projects(int parent, const char *name, dev_t device, unsigned int depth,
			    unsigned int *budget)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	struct stat status;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return false;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return false;
	}
	/* Another mount is another share, whose content its guest has written. */
	if (fstat(fd, &status) < 0 || status.st_dev != device)
		return false;
	if (has_migrantfile(fd))
		return true;
	while (depth < SEARCH_DEPTH_MAX && *budget && (entry = readdir(dir))) {
		--*budget;
		if ((entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) &&
		    !text_equal(entry->d_name, ".") && !text_equal(entry->d_name, "..") &&
		    search_projects(fd, entry->d_name, device, depth + 1, budget))
			return true;
	}
	return false;
}

static int check_component(const struct config *config, const struct config_share *share,
			   const char *path, const struct stat *status, bool is_mount,
			   struct error *err)
{
	const char *why;

	if (S_ISLNK(status->st_mode)) {
		refuse(config, share, err, "'%s' is a symbolic link", path);
		return error_hint(err, "a share's path goes through none: write the directory that "
				       "it leads to, or make one");
	}
	if (!S_ISDIR(status->st_mode))
		return refuse(config, share, err, "'%s' is not a directory", path);
	/* On a share that is mounted, owner and mode are the guest's. */
	why = is_mount ? NULL : changed_by_others(status);
	return why ? refuse(config, share, err, "'%s' %s", path, why) : 0;
}

static int check_last(const struct config *config, const struct config_share *share, int fd,
		      const struct stat *status, bool is_mount, struct error *err)
{
	unsigned int budget = SEARCH_ENTRIES_MAX;

	if (check_identity(config, share, status, err) < 0)
		return -1;
	if (!is_mount && search_projects(fd, ".", status->st_dev, 0, &budget))
		return refuse(config, share, err, "the share '%s' would hold another project",
			      share->host);
	return 0;
}

/* Goes down to the share, one component at a time, as far as it exists. */
static int check_way(const struct config *config, const struct config_share *share,
		     struct error *err)
{
	_cleanup_close_ int at = open(config->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat above;
	const char *end = share->host;

	if (at < 0 || fstat(at, &above) < 0)
		return error_errno(err, EX_NOINPUT, "%s", config->directory);
	for (;;) {
		_cleanup_free_ char *path = NULL;
		_cleanup_free_ char *name = text_dup_n(end, strcspn(end, "/"));
		int fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		struct stat status;
		bool is_last, is_mount;

		if (fd < 0 && errno == ENOENT)
			return 0;
		end += strlen(name);
		path = text_dup_n(share->host, (size_t)(end - share->host));
		if (fd < 0 || fstat(fd, &status) < 0) {
			int number = errno;

			cleanup_close(&fd);
			return refuse(config, share, err, "%s: %s", path, strerror(number));
		}
		cleanup_close(&at);
		at = fd;
		is_last = !*end;
		is_mount = is_last && status.st_dev != above.st_dev;
		if (check_component(config, share, path, &status, is_mount, err) < 0)
			return -1;
		if (is_last)
			return check_last(config, share, at, &status, is_mount, err);
		if (has_migrantfile(at))
			return refuse(config, share, err, "'%s' belongs to another project", path);
		above = status;
		end++;
	}
}

int config_check_share_files(const struct config *config, struct error *err)
{
	if (config->share_count && check_above(config, err) < 0)
		return -1;
	for (size_t i = 0; i < config->share_count; i++)
		if (check_links(config, &config->shares[i], err) < 0 ||
		    check_way(config, &config->shares[i], err) < 0)
			return -1;
	return 0;
}
