/*
 * libvirt keeps a domain's definition where everybody in its group can read it, so the keys of a
 * tunnel come another way: to root, for one start. A start that the program has not prepared finds
 * nothing here and does not happen.
 */
#include "hook/tunnel_stage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/text.h"

#define STAGE_DIR     RUN_DIR "/.staged" /* no sandbox can be called so */
#define KEPT_FILE     "wireguard.conf"
#define STAGE_SECONDS 3600 /* what nobody has come for by then is not wanted any more */
#define STAGE_MAX     256  /* of all users */

void tunnel_free(struct wireguard **wireguard)
{
	if (!*wireguard)
		return;
	wireguard_done(*wireguard);
	free(*wireguard);
	*wireguard = NULL;
}

static char *staged_path(uid_t owner, const char *name)
{
	return text_format(STAGE_DIR "/%u.%s", owner, name);
}

static char *kept_path(const char *name)
{
	return text_format(RUN_DIR "/%s/" KEPT_FILE, name);
}

static int load(const char *path, struct wireguard **ret_wireguard, struct error *err)
{
	_cleanup_tunnel_ struct wireguard *wireguard = xcalloc(1, sizeof(*wireguard));
	_cleanup_wireguard_text_ struct strbuf text = STRBUF_INIT;

	if (file_read(AT_FDCWD, path, HELPER_INPUT_MAX, &text.text, &text.length, err) < 0)
		return -1;
	text.room = text.length + 1;
	if (wireguard_parse(text.text, text.length, path, wireguard, err) < 0)
		return -1;
	*ret_wireguard = take_ptr(wireguard);
	return 0;
}

static int load_matching(const char *path, const struct tunnel *tunnel,
			 struct wireguard **ret_wireguard, struct error *err)
{
	_cleanup_tunnel_ struct wireguard *wireguard = NULL;

	if (load(path, &wireguard, err) < 0)
		return -1;
	if (!tunnel_matches(tunnel, wireguard) || wireguard_unresolved(wireguard))
		return error_set(err, EX_DATAERR,
				 "the tunnel that was handed over is not the one of the domain");
	*ret_wireguard = take_ptr(wireguard);
	return 0;
}

/* Root starts other people's sandboxes as well. */
static int take_any(const struct metadata *metadata, struct wireguard **ret_wireguard,
		    struct error *err)
{
	const uid_t owners[] = {metadata->owner, 0};

	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		_cleanup_free_ char *path = staged_path(owners[i], metadata->name);

		if (access(path, F_OK) == 0)
			return load_matching(path, &metadata->tunnel, ret_wireguard, err);
	}
	return error_set(err, EX_NOINPUT, "nobody has handed over the tunnel of %s",
			 metadata->name);
}

int tunnel_stage_take(const struct metadata *metadata, struct wireguard **ret_wireguard,
		      struct error *err)
{
	int result;

	*ret_wireguard = NULL;
	if (!metadata->policy.tunnel)
		return 0;
	result = take_any(metadata, ret_wireguard, err);
	tunnel_stage_clear(metadata->name);
	return result < 0 ? error_hint(err, "'migrant up' does that, and starts it") : 0;
}

int tunnel_stage_keep(const char *name, const struct wireguard *wireguard, struct error *err)
{
	_cleanup_wireguard_text_ struct strbuf text = STRBUF_INIT;
	_cleanup_free_ char *path = kept_path(name);

	if (!wireguard)
		return 0;
	wireguard_write(wireguard, &text);
	return file_replace(AT_FDCWD, path, text.text, text.length, 0600, err);
}

int tunnel_stage_kept(const struct metadata *metadata, struct wireguard **ret_wireguard,
		      struct error *err)
{
	_cleanup_free_ char *path = kept_path(metadata->name);

	*ret_wireguard = NULL;
	if (!metadata->policy.tunnel)
		return 0;
	return load_matching(path, &metadata->tunnel, ret_wireguard, err);
}

int tunnel_stage_load(const char *name, struct wireguard **ret_wireguard, struct error *err)
{
	_cleanup_free_ char *path = kept_path(name);

	return load(path, ret_wireguard, err);
}

char *tunnel_stage_facts(const struct metadata *metadata)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	tunnel_canonical(&metadata->tunnel, &text);
	return strbuf_take(&text);
}

/* Calls @each for every file; it says whether that is to go. */
static void remove_staged(bool (*is_over)(int dirfd, const char *file, const void *data),
			  const void *data)
{
	_cleanup_closedir_ DIR *directory = opendir(STAGE_DIR);
	const struct dirent *entry;

	if (!directory)
		return;
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.' && is_over(dirfd(directory), entry->d_name, data))
			(void)!unlinkat(dirfd(directory), entry->d_name, 0);
	rmdir(STAGE_DIR); /* stays while something is in it */
}

static bool is_of(int dirfd, const char *file, const void *name)
{
	const char *dot = strchr(file, '.');

	(void)dirfd;
	return dot && text_equal(dot + 1, name);
}

void tunnel_stage_clear(const char *name)
{
	remove_staged(is_of, name);
}

/* A clock that was set back makes it younger than now: then it goes as well. */
static bool is_old(int dirfd, const char *file, const void *now)
{
	struct stat status;

	if (text_ends(file, ".tmp") || fstatat(dirfd, file, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return true;
	return status.st_mtime > *(const time_t *)now + STAGE_SECONDS ||
	       status.st_mtime < *(const time_t *)now - STAGE_SECONDS;
}

void tunnel_stage_sweep(void)
{
	const time_t now = time(NULL);

	remove_staged(is_old, &now);
}

static int check_room(struct error *err)
{
	_cleanup_closedir_ DIR *directory = opendir(STAGE_DIR);
	size_t count = 0;

	while (directory && readdir(directory))
		count++;
	return count < STAGE_MAX ? 0
				 : error_set(err, EX_TEMPFAIL, "too many tunnels are handed over");
}

int tunnel_stage_store(const char *name, uid_t owner, const struct wireguard *wireguard,
		       struct error *err)
{
	_cleanup_wireguard_text_ struct strbuf text = STRBUF_INIT;
	_cleanup_free_ char *path = staged_path(owner, name);

	if (mkdir(STAGE_DIR, 0700) < 0 && errno != EEXIST)
		return error_errno(err, EX_CANTCREAT, "cannot make " STAGE_DIR);
	wireguard_write(wireguard, &text);
	if (check_room(err) < 0)
		return -1;
	return file_replace(AT_FDCWD, path, text.text, text.length, 0600, err);
}
