/*
 * A disk that a snapshot has frozen was QEMU's a moment ago, and several sandboxes may lie over it
 * from now on. The program cannot change that: the storage API makes volumes and never changes
 * their owner. So it is done here, before the next guest opens it: a guest that breaks into its
 * QEMU finds nothing below its own disk that it could change, for itself after a reset or for
 * others.
 */
#include "hook/frozen.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/text.h"
#include "hook/disks.h"

#define POOL "/var/lib/libvirt/images/migrant/"

#define MODE 0440

static const xmlNode *next_named(const xmlNode *node, const char *name)
{
	while (node && !(node->type == XML_ELEMENT_NODE && !node->ns &&
			 text_equal((const char *)node->name, name)))
		node = node->next;
	return node;
}

static const xmlNode *child(const xmlNode *parent, const char *name)
{
	return parent ? next_named(parent->children, name) : NULL;
}

/* The text, or NULL; the caller frees. */
static char *attribute(const xmlNode *node, const char *name)
{
	xmlChar *value = node ? xmlGetNoNsProp(node, (const xmlChar *)name) : NULL;
	char *text = text_dup((const char *)value);

	xmlFree(value);
	return text;
}

static void read_chain(const xmlNode *disk, struct frozen *frozen)
{
	for (const xmlNode *store = child(disk, "backingStore"); store;
	     store = child(store, "backingStore")) {
		_cleanup_free_ char *file = attribute(child(store, "source"), "file");

		if (file && text_starts(file, POOL) &&
		    disk_name_parse(file + strlen(POOL), NULL, NULL))
			lines_add(&frozen->names, file + strlen(POOL));
	}
}

/* "+UID:+GID" of <seclabel model='dac'>. */
static gid_t read_group(const xmlNode *domain)
{
	for (const xmlNode *label = child(domain, "seclabel"); label;
	     label = next_named(label->next, "seclabel")) {
		_cleanup_free_ char *model = attribute(label, "model");
		const xmlNode *text = child(label, "label");
		const xmlNode *content = text ? text->children : NULL;
		const char *colon = content && content->type == XML_TEXT_NODE
					    ? strstr((const char *)content->content, ":+")
					    : NULL;
		uint64_t group;

		if (text_equal(model, "dac") && colon &&
		    parse_number(colon + strlen(":+"), 1, UINT32_MAX - UINT64_C(1), &group) == 0)
			return (gid_t)group;
	}
	return 0;
}

void frozen_read(const xmlNode *domain, struct frozen *ret_frozen)
{
	const xmlNode *devices = child(domain, "devices");

	*ret_frozen = (struct frozen){.group = read_group(domain)};
	for (const xmlNode *disk = child(devices, "disk"); disk;
	     disk = next_named(disk->next, "disk"))
		read_chain(disk, ret_frozen);
}

static int protect(int pool, const char *name, gid_t group, struct error *err)
{
	_cleanup_close_ int fd = file_open_beneath(pool, name, O_RDONLY | O_NONBLOCK, 0);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return error_errno(err, EX_NOINPUT, "the disk %s, which the sandbox needs", name);
	if (!S_ISREG(status.st_mode) || status.st_nlink != 1)
		return error_set(err, EX_NOPERM, "%s is no plain file", name);
	if (status.st_uid == 0 && status.st_gid == group && (status.st_mode & 07777) == MODE)
		return 0;
	if (fchmod(fd, MODE) < 0 || fchown(fd, 0, group) < 0)
		return error_errno(err, EX_OSERR, "cannot protect %s", name);
	return 0;
}

int frozen_protect(const struct frozen *frozen, struct error *err)
{
	_cleanup_close_ int pool = -1;

	if (!frozen->names.count)
		return 0;
	if (!frozen->group)
		return error_set(err, EX_SOFTWARE, "libvirt does not say as whom QEMU runs");
	pool = open(POOL, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (pool < 0)
		return error_errno(err, EX_NOINPUT, POOL);
	for (size_t i = 0; i < frozen->names.count; i++)
		if (protect(pool, frozen->names.items[i], frozen->group, err) < 0)
			return -1;
	return 0;
}

void frozen_done(struct frozen *frozen)
{
	lines_done(&frozen->names);
}
