/*
 * Reading mountinfo. Names in it are chosen by whoever may mount or make directories, so they are
 * taken apart by their positions and decoded, never searched in.
 */
#include "base/mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/text.h"

#define MOUNTINFO_MAX (16 * 1024 * 1024)
#define FIELDS	      6 /* before the optional ones */

/* Spaces and the like stand there as a backslash and three octal digits. */
static void decode(char *text)
{
	char *to = text;

	for (const char *at = text; *at; at++) {
		if (*at == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' &&
		    at[3] >= '0' && at[3] <= '7') {
			*to++ = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
			at += 3;
		} else {
			*to++ = *at;
		}
	}
	*to = '\0';
}

/* Cuts the next field off *@rest; NULL when there is none. */
static char *next_field(char **rest)
{
	char *field = *rest;
	char *end = field ? strchr(field, ' ') : NULL;

	if (!field || !*field)
		return NULL;
	if (end)
		*end++ = '\0';
	*rest = end;
	return field;
}

static bool read_number(const char *text, unsigned int *ret_number)
{
	uint64_t number;

	if (parse_number(text, 0, INT32_MAX, &number) < 0)
		return false;
	*ret_number = (unsigned int)number;
	return true;
}

static bool read_device(char *text, struct mount_entry *entry)
{
	char *colon = strchr(text, ':');

	if (!colon)
		return false;
	*colon = '\0';
	return read_number(text, &entry->major) && read_number(colon + 1, &entry->minor);
}

static char *decoded(const char *field)
{
	char *copy = text_dup(field);

	decode(copy);
	return copy;
}

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG…] - TYPE SOURCE SUPER */
static bool read_line(char *line, struct mount_entry *entry)
{
	char *fields[FIELDS];
	unsigned int id, parent;
	const char *type, *source;
	char *tag;

	for (size_t i = 0; i < FIELDS; i++) {
		fields[i] = next_field(&line);
		if (!fields[i])
			return false;
	}
	if (!read_number(fields[0], &id) || !read_number(fields[1], &parent) ||
	    !read_device(fields[2], entry))
		return false;
	for (tag = next_field(&line); tag && !text_equal(tag, "-"); tag = next_field(&line))
		entry->shared = entry->shared || text_starts(tag, "shared:");
	type = next_field(&line);
	source = next_field(&line);
	if (!tag || !type)
		return false;
	entry->id = (int)id;
	entry->parent = (int)parent;
	entry->root = decoded(fields[3]);
	entry->point = decoded(fields[4]);
	entry->options = text_dup(fields[5]);
	entry->type = text_dup(type);
	entry->source = decoded(source ? source : "");
	return true;
}

int mount_list_parse(const char *text, struct mount_list *ret_list, struct error *err)
{
	_cleanup_free_ char *copy = text_dup(text);
	_cleanup_mounts_ struct mount_list list = {0};
	char *next;

	for (char *line = copy; line && *line; line = next) {
		struct mount_entry entry = {0};

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!read_line(line, &entry))
			return error_set(err, EX_DATAERR, "mountinfo cannot be read: %s", line);
		list.items = xreallocarray(list.items, list.count + 1, sizeof(entry));
		list.items[list.count++] = entry;
	}
	*ret_list = list;
	list = (struct mount_list){0};
	return 0;
}

int mount_list_load(const char *path, struct mount_list *ret_list, struct error *err)
{
	_cleanup_free_ char *text = NULL;

	if (file_read(AT_FDCWD, path, MOUNTINFO_MAX, &text, NULL, err) < 0)
		return -1;
	return mount_list_parse(text, ret_list, err);
}

void mount_list_done(struct mount_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].root);
		free(list->items[i].point);
		free(list->items[i].options);
		free(list->items[i].type);
		free(list->items[i].source);
	}
	free(list->items);
	*list = (struct mount_list){0};
}

const struct mount_entry *mount_list_find(const struct mount_list *list, int id)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].id == id)
			return &list->items[i];
	return NULL;
}

int mount_id(int fd)
{
	struct statx status;

	/* Nothing of the file is asked for: a FUSE file system would refuse that to root. */
	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, 0, &status) < 0)
		return -1;
	if (!(status.stx_mask & STATX_MNT_ID)) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return (int)status.stx_mnt_id;
}

/* Whether the mount that @path lies on is shared; *ret_is_point: and begins there. */
static int look(const char *path, bool *ret_shared, bool *ret_is_point, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_mounts_ struct mount_list list = {0};
	const struct mount_entry *entry;

	if (fd < 0)
		return error_errno(err, EX_OSERR, "%s", path);
	if (mount_list_load("/proc/self/mountinfo", &list, err) < 0)
		return -1;
	entry = mount_list_find(&list, mount_id(fd));
	*ret_shared = entry && entry->shared;
	*ret_is_point = entry && text_equal(entry->point, path);
	return 0;
}

int mount_ensure_shared(const char *path, struct error *err)
{
	bool shared = false, is_point = false;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return error_errno(err, EX_OSERR, "cannot make %s", path);
	if (look(path, &shared, &is_point, err) < 0)
		return -1;
	if (shared)
		return 0;
	if ((!is_point && mount(path, path, "none", MS_BIND | MS_REC, NULL) < 0) ||
	    mount("", path, "none", MS_SHARED | MS_REC, NULL) < 0)
		return error_errno(err, EX_OSERR, "cannot make %s a shared mount", path);
	return 0;
}
