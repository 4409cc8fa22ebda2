/*
 * Between the Migrantfile, where a share is what a user wants, and the metadata, where it is what
 * root is asked for, stands only a copy; but everything that is said about shares is said here, so
 * that all commands say the same.
 */
#include "command/shares.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/text.h"

static void share_from_config(const struct config_share *from, size_t index, struct share *share)
{
	*share = (struct share){
		.host = text_dup(from->host),
		.guest = text_dup(from->guest),
		.size = from->size,
		.read_only = from->read_only,
		.isolate = from->isolate,
		.reserve = from->reserve,
	};
	share_tag(index, share->tag);
}

void shares_from_config(const struct config *config, struct metadata *metadata)
{
	for (size_t i = 0; i < metadata->share_count; i++)
		share_done(&metadata->shares[i]);
	metadata->share_count = 0;
	for (size_t i = 0; i < config->share_count && i < SHARE_MAX; i++)
		share_from_config(&config->shares[i], i,
				  &metadata->shares[metadata->share_count++]);
}

bool shares_are_current(const struct config *config, const struct metadata *metadata)
{
	if (config->share_count != metadata->share_count)
		return false;
	for (size_t i = 0; i < config->share_count; i++) {
		const struct config_share *wanted = &config->shares[i];
		const struct share *has = &metadata->shares[i];

		if (!text_equal(wanted->host, has->host) ||
		    !text_equal(wanted->guest, has->guest) || wanted->size != has->size ||
		    wanted->read_only != has->read_only || wanted->isolate != has->isolate ||
		    wanted->reserve != has->reserve)
			return false;
	}
	return true;
}

static bool is_empty(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir) {
		cleanup_close(&copy);
		return false;
	}
	while ((entry = readdir(dir)))
		if (!text_equal(entry->d_name, ".") && !text_equal(entry->d_name, ".."))
			return false;
	return true;
}

/* True when @fd is the root of a mount (statx(2)). */
static bool is_mount_root(int fd)
{
	struct statx status;

	return statx(fd, "", AT_EMPTY_PATH, 0, &status) == 0 &&
	       status.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT &&
	       status.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

static uint64_t used_bytes(int fd)
{
	struct statvfs status;

	if (fstatvfs(fd, &status) < 0 || status.f_bfree > status.f_blocks)
		return 0;
	return (uint64_t)(status.f_blocks - status.f_bfree) * status.f_frsize;
}

int share_look(const char *project, const char *host, enum share_place *ret_place,
	       uint64_t *ret_used, struct error *err)
{
	_cleanup_close_ int directory = open(project, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = -1;

	if (directory < 0)
		return error_errno(err, EX_NOINPUT, "%s", project);
	if (ret_used)
		*ret_used = 0;
	fd = file_open_beneath(directory, host, O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0);
	if (fd < 0 && errno == ENOENT) {
		*ret_place = SHARE_PLACE_ABSENT;
		return 0;
	}
	if (fd < 0)
		return error_errno(err, errno == EACCES ? EX_NOPERM : EX_IOERR, "%s", host);
	if (is_mount_root(fd)) {
		*ret_place = SHARE_PLACE_MOUNTED;
		if (ret_used)
			*ret_used = used_bytes(fd);
		return 0;
	}
	*ret_place = is_empty(fd) ? SHARE_PLACE_EMPTY : SHARE_PLACE_FILES;
	return 0;
}

int shares_check_places(const struct config *config, const char *command, struct error *err)
{
	for (size_t i = 0; i < config->share_count; i++) {
		const struct config_share *share = &config->shares[i];
		enum share_place place;

		if (!share->isolate)
			continue;
		if (share_look(config->directory, share->host, &place, NULL, err) < 0)
			return error_prefix(err, "cannot look at the share '%s'", share->host);
		if (place != SHARE_PLACE_FILES)
			continue;
		config_error(config, share->host_position, err,
			     "'%s' holds files, which the share would hide", share->host);
		return error_hint(err,
				  "bring them in: mv %s %s.before && migrant %s && cp -a "
				  "%s.before/. %s/",
				  share->host, share->host, command, share->host, share->host);
	}
	return 0;
}

static void add(json_object *entry, const char *name, json_object *value)
{
	json_object_object_add(entry, name, value);
}

static json_object *share_json(const char *project, const struct share *share)
{
	json_object *entry = json_object_new_object();
	_cleanup_error_ struct error ignored = ERROR_INIT;
	enum share_place place = SHARE_PLACE_ABSENT;
	uint64_t used = 0;
	bool mounted = share->isolate &&
		       share_look(project, share->host, &place, &used, &ignored) == 0 &&
		       place == SHARE_PLACE_MOUNTED;

	add(entry, "host", json_object_new_string(share->host));
	add(entry, "guest", json_object_new_string(share->guest));
	add(entry, "mode", json_object_new_string(share->read_only ? "ro" : "rw"));
	add(entry, "isolate", json_object_new_boolean(share->isolate));
	add(entry, "reserve", json_object_new_boolean(share->reserve));
	add(entry, "size_bytes", share->isolate ? json_object_new_uint64(share->size) : NULL);
	add(entry, "used_bytes", mounted ? json_object_new_uint64(used) : NULL);
	add(entry, "mounted", json_object_new_boolean(mounted));
	return entry;
}

json_object *shares_json(const char *project, const struct share *shares, size_t count)
{
	json_object *array = json_object_new_array();

	for (size_t i = 0; i < count; i++)
		json_object_array_add(array, share_json(project, &shares[i]));
	return array;
}

static json_object *member(json_object *entry, const char *name)
{
	json_object *value = NULL;

	json_object_object_get_ex(entry, name, &value);
	return value;
}

static void add_size(struct strbuf *out, const char *before, json_object *bytes, const char *after)
{
	if (!bytes)
		return;
	strbuf_addf(out, "%s%llu MiB%s", before,
		    (unsigned long long)json_object_get_uint64(bytes) >> 20, after);
}

char *share_line(json_object *entry)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	strbuf_addf(&out, "%s -> %s, %s", json_object_get_string(member(entry, "host")),
		    json_object_get_string(member(entry, "guest")),
		    json_object_get_string(member(entry, "mode")));
	add_size(&out, ", ", member(entry, "size_bytes"), "");
	add_size(&out, ", ", member(entry, "used_bytes"), " used");
	if (!json_object_get_boolean(member(entry, "isolate")))
		strbuf_add_text(&out, ", a plain directory (isolate: false)");
	return strbuf_take(&out);
}
