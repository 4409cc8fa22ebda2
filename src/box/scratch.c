/*
 * Nameless files (O_TMPFILE): nobody else can open, replace or link to them, and there is nothing
 * to clean up. They lie in the cache directory, since images are too large for many a /tmp.
 */
#include "box/scratch.h"

#include <fcntl.h>
#include <pwd.h>

#include "base/file.h"
#include "base/text.h"

/* $XDG_CACHE_HOME/migrant or ~/.cache/migrant (XDG Base Directory Specification). */
static char *cache_directory(void)
{
	const char *cache = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	const struct passwd *user;

	if (cache && *cache == '/')
		return text_format("%s/migrant", cache);
	if (home && *home == '/')
		return text_format("%s/.cache/migrant", home);
	user = getpwuid(getuid());
	return text_format("%s/.cache/migrant", user ? user->pw_dir : "/tmp");
}

/* For file systems without O_TMPFILE: a name for a moment. */
static int named_file(const char *directory)
{
	_cleanup_free_ char *path = text_format("%s/work-XXXXXX", directory);
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd >= 0)
		unlink(path);
	return fd;
}

int scratch_file(struct error *err)
{
	_cleanup_free_ char *directory = cache_directory();
	int fd;

	if (file_make_dirs(directory, 0700, err) < 0)
		return -1;
	fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
		fd = named_file(directory);
	if (fd < 0)
		return error_errno(err, EX_CANTCREAT, "cannot make a temporary file in %s",
				   directory);
	return fd;
}

char *scratch_path(int fd)
{
	return text_format("/proc/%d/fd/%d", (int)getpid(), fd);
}
