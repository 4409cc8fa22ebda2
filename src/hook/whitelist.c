/*
 * Walks a domain's XML and lets nothing pass that has no row in the table.
 *
 * A second NIC, a host device, a file of the host's or a command line for QEMU would each be a hole
 * around the gateway, and anybody in group libvirt can edit the XML. So every element and every
 * attribute needs a row, and values that name something of the host have to be ours.
 */
#include "hook/whitelist.h"

#include <assert.h>

#include "base/text.h"
#include "hook/disks.h"
#include "hook/whitelist_entries.h"

#define DEPTH_MAX 40

#define POOL_DISKS "/var/lib/libvirt/images/migrant/disk-"

#define CHAIN "devices/disk/backingStore"

/* Without these it is not a sandbox, whatever else it is. */
static const char *const required[] = {"name",
				       "uuid",
				       "os",
				       "devices/disk",
				       "devices/interface",
				       "devices/interface/mac",
				       "devices/interface/target",
				       "devices/interface/driver",
				       "devices/memballoon"};

static_assert(DEPTH_MAX > DISK_LAYERS_MAX + 8, "what lies below a disk is looked at to its end");

struct walk {
	const struct metadata *metadata;
	unsigned int counts[WHITELIST_MAX];
	const char *path; /* of the element being looked at; "" for <domain> */
};

static const struct whitelist_entry *find_entry(const char *path)
{
	for (size_t i = 0; i < whitelist_entry_count; i++)
		if (text_equal(whitelist_entries[i].path, path))
			return &whitelist_entries[i];
	return NULL;
}

static bool is_harmless(const char *path)
{
	_cleanup_free_ char *subtree = text_format("%s/**", path);

	return find_entry(subtree) != NULL;
}

static int refuse(const char *what, struct error *err)
{
	error_set(err, EX_NOPERM, "the domain is not as migrant made it: %s", what);
	return error_hint(err, "take the change back, or destroy the sandbox and make it anew");
}

static int check_value(const struct walk *walk, const char *path, const char *value,
		       struct error *err)
{
	const struct whitelist_entry *entry = find_entry(path);
	bool good;

	if (!entry)
		return refuse(path, err);
	good = entry->exactly ? text_equal(value, entry->exactly)
			      : entry->check(value, walk->metadata);
	return good ? 0 : refuse(path, err);
}

static int check_attributes(const struct walk *walk, const xmlNode *node, struct error *err)
{
	for (const xmlAttr *attr = node->properties; attr; attr = attr->next) {
		_cleanup_free_ char *path =
			text_format("%s@%s", walk->path, (const char *)attr->name);
		const xmlNode *value = attr->children;

		if (attr->ns || (value && (value->next || value->type != XML_TEXT_NODE)))
			return refuse(path, err);
		if (check_value(walk, path, value ? (const char *)value->content : "", err) < 0)
			return -1;
	}
	return 0;
}

static int check_text(const struct walk *walk, const xmlNode *node, struct error *err)
{
	_cleanup_free_ char *path = text_format("%s=", walk->path);

	return check_value(walk, path, (const char *)node->content, err);
}

static int check_element(struct walk *walk, const xmlNode *node, unsigned int depth,
			 struct error *err);

/* The children of @node, whose own path is walk->path. */
static int check_children(struct walk *walk, const xmlNode *node, unsigned int depth,
			  struct error *err)
{
	for (const xmlNode *child = node->children; child; child = child->next) {
		int result;

		if (xmlIsBlankNode(child) || child->type == XML_COMMENT_NODE)
			continue;
		if (child->type == XML_ELEMENT_NODE)
			result = check_element(walk, child, depth, err);
		else if (child->type == XML_TEXT_NODE && !child->next && !child->prev)
			result = check_text(walk, child, err);
		else
			result = refuse(walk->path, err);
		if (result < 0)
			return -1;
	}
	return 0;
}

static int count_element(struct walk *walk, struct error *err)
{
	const struct whitelist_entry *entry = find_entry(walk->path);

	if (!entry || strchr(walk->path, '@'))
		return refuse(walk->path, err);
	if (++walk->counts[entry - whitelist_entries] > entry->count && entry->count) {
		_cleanup_free_ char *what =
			text_format("more than %u of %s", entry->count, walk->path);

		return refuse(what, err);
	}
	return 0;
}

/* The value of an attribute without a namespace, or "". */
static const char *attribute(const xmlNode *node, const char *name)
{
	for (const xmlAttr *attr = node->properties; attr; attr = attr->next)
		if (text_equal((const char *)attr->name, name) && attr->children &&
		    attr->children->content)
			return (const char *)attr->children->content;
	return "";
}

/* The same of a child element. */
static const char *child_attribute(const xmlNode *node, const char *child_name, const char *name)
{
	for (const xmlNode *child = node->children; child; child = child->next)
		if (child->type == XML_ELEMENT_NODE &&
		    text_equal((const char *)child->name, child_name))
			return attribute(child, name);
	return "";
}

/*
 * An overlay that was opened as raw once would let the guest write its header, and so name any file
 * of the host for the time when it is opened as qcow2 again.
 */
static int check_format(const xmlNode *disk, struct error *err)
{
	const char *file = child_attribute(disk, "source", "file");
	const char *format = text_ends(file, ".qcow2") ? "qcow2" : "raw";

	if (!text_equal(child_attribute(disk, "driver", "type"), format))
		return refuse("devices/disk/driver@type", err);
	return 0;
}

/* The same of a sandbox's disk or a layer that lies below another. */
static int check_backing(const xmlNode *backing, struct error *err)
{
	const char *file = child_attribute(backing, "source", "file");

	if ((text_starts(file, POOL_DISKS) || disk_is_layer(file)) &&
	    !text_equal(child_attribute(backing, "format", "type"), "qcow2"))
		return refuse(CHAIN "/format@type", err);
	return 0;
}

/*
 * Every part of it is in the table; that they go together is seen here. Without a <binary> of ours
 * libvirt would start a virtiofsd that is root.
 */
static int check_filesystem(const xmlNode *node, const struct metadata *metadata, struct error *err)
{
	const char *directory = child_attribute(node, "source", "dir");
	const char *tag = child_attribute(node, "target", "dir");

	if (!text_equal(child_attribute(node, "driver", "type"), "virtiofs") ||
	    !text_equal(child_attribute(node, "binary", "path"), SHARE_VIRTIOFSD))
		return refuse("devices/filesystem", err);
	for (size_t i = 0; i < metadata->share_count; i++) {
		_cleanup_free_ char *source = share_source(metadata->name, i);

		if (text_equal(source, directory) && text_equal(metadata->shares[i].tag, tag))
			return 0;
	}
	return refuse("devices/filesystem/source@dir", err);
}

static int check_element(struct walk *walk, const xmlNode *node, unsigned int depth,
			 struct error *err)
{
	const char *parent = walk->path;
	const char *name = (const char *)node->name;
	bool is_lower = text_equal(parent, CHAIN) && text_equal(name, "backingStore");
	_cleanup_free_ char *path =
		is_lower ? text_dup(CHAIN)
			 : text_format("%s%s%s", parent, *parent ? "/" : "", name);
	int result = 0;

	if (node->ns || depth >= DEPTH_MAX)
		return refuse(path, err);
	if (depth == 0 && text_equal(name, "metadata"))
		return 0;
	if (is_harmless(path))
		return 0;
	walk->path = path;
	result = count_element(walk, err);
	if (result == 0 && text_equal(path, "devices/disk"))
		result = check_format(node, err);
	if (result == 0 && text_equal(path, CHAIN))
		result = check_backing(node, err);
	if (result == 0 && text_equal(path, "devices/filesystem"))
		result = check_filesystem(node, walk->metadata, err);
	if (result == 0)
		result = check_attributes(walk, node, err);
	if (result == 0)
		result = check_children(walk, node, depth + 1, err);
	walk->path = parent;
	return result;
}

static int check_required(const struct walk *walk, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(required); i++) {
		const struct whitelist_entry *entry = find_entry(required[i]);
		_cleanup_free_ char *what = text_format("no %s", required[i]);

		if (!entry || !walk->counts[entry - whitelist_entries])
			return refuse(what, err);
	}
	return 0;
}

int whitelist_check(const xmlNode *root, const struct metadata *metadata, struct error *err)
{
	struct walk walk = {.metadata = metadata, .path = ""};

	if (root->ns || !text_equal((const char *)root->name, "domain"))
		return refuse("domain", err);
	if (check_attributes(&walk, root, err) < 0 || check_children(&walk, root, 0, err) < 0)
		return -1;
	return check_required(&walk, err);
}

static bool is_ours(const xmlNode *node)
{
	if (text_equal((const char *)node->name, "target") &&
	    text_starts(attribute(node, "dev"), "mgt"))
		return true;
	return text_equal((const char *)node->name, "source") &&
	       (whitelist_is_pool_file(attribute(node, "file"), "disk-") ||
		whitelist_is_pool_file(attribute(node, "file"), "seed-"));
}

static bool has_ours(const xmlNode *node, unsigned int depth)
{
	for (const xmlNode *child = node->children; child; child = child->next) {
		if (child->type != XML_ELEMENT_NODE)
			continue;
		if (is_ours(child) || (depth < DEPTH_MAX && has_ours(child, depth + 1)))
			return true;
	}
	return false;
}

bool whitelist_resembles(const xmlNode *root)
{
	return has_ours(root, 0);
}
