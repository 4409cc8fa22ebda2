/*
 * The index of snapshots lies in the domain's definition beside what says which volume is the disk,
 * so that libvirt replaces both in one step: there is no moment in which one names what the other
 * does not know. Whoever may talk to libvirt may change it, so it is read as strictly as the rest.
 */
#include "domain/snapshots.h"

#include "base/parse.h"
#include "base/text.h"
#include "domain/xml.h"
#include "hook/disks.h"

void snapshot_done(struct snapshot *snapshot)
{
	free(snapshot->name);
	free(snapshot->layer);
	free(snapshot->created);
	free(snapshot->text);
	free(snapshot->memory);
	free(snapshot->machine);
	*snapshot = (struct snapshot){0};
}

void snapshots_done(struct snapshots *snapshots)
{
	for (size_t i = 0; i < snapshots->count; i++)
		snapshot_done(&snapshots->items[i]);
	free(snapshots->items);
	*snapshots = (struct snapshots){0};
}

const struct snapshot *snapshots_find(const struct snapshots *snapshots, const char *name)
{
	for (size_t i = 0; i < snapshots->count; i++)
		if (text_equal(snapshots->items[i].name, name))
			return &snapshots->items[i];
	return NULL;
}

static bool is_time(const char *text)
{
	return text && strlen(text) == strlen("2026-01-01T00:00:00Z") &&
	       strspn(text, "0123456789-:TZ") == strlen(text);
}

bool memory_name_is_valid(const char *name, const char *uuid)
{
	_cleanup_free_ char *disk = NULL;
	uint64_t number = 0;

	if (!text_starts(name, MEMORY_PREFIX))
		return false;
	disk = text_format("disk-%s.qcow2", name + strlen(MEMORY_PREFIX));
	return disk_name_parse(disk, uuid, &number) && number > 0;
}

static bool has_good_memory(const struct snapshot *snapshot)
{
	if (!snapshot->memory && !snapshot->machine)
		return true;
	return snapshot->running && snapshot->memory && snapshot->machine &&
	       memory_name_is_valid(snapshot->memory, NULL);
}

int snapshot_check(const struct snapshot *snapshot, struct error *err)
{
	if (!snapshot->name || !name_is_valid(snapshot->name))
		return error_set(err, EX_DATAERR, "'%s' is no name for a snapshot",
				 snapshot->name ? snapshot->name : "");
	if (!snapshot->layer || !disk_name_parse(snapshot->layer, NULL, NULL) ||
	    !is_time(snapshot->created) || !has_good_memory(snapshot))
		return error_set(err, EX_DATAERR, "the snapshot '%s' is not as migrant made it",
				 snapshot->name);
	if (snapshot->text && strlen(snapshot->text) > SNAPSHOT_TEXT_MAX)
		return error_set(err, EX_DATAERR, "the text of a snapshot has at most %d bytes",
				 SNAPSHOT_TEXT_MAX);
	return xml_check_text("text of a snapshot", snapshot->text, err);
}

int snapshots_add(struct snapshots *snapshots, const struct snapshot *snapshot, struct error *err)
{
	if (snapshot_check(snapshot, err) < 0)
		return -1;
	if (snapshots->count == SNAPSHOTS_MAX)
		return error_set(err, EX_DATAERR, "a sandbox has at most %d snapshots",
				 SNAPSHOTS_MAX);
	if (snapshots_find(snapshots, snapshot->name))
		return error_set(err, EX_DATAERR, "there are two snapshots '%s'", snapshot->name);
	snapshots->items =
		xreallocarray(snapshots->items, snapshots->count + 1, sizeof(*snapshots->items));
	snapshots->items[snapshots->count++] = (struct snapshot){
		.name = text_dup(snapshot->name),
		.layer = text_dup(snapshot->layer),
		.created = text_dup(snapshot->created),
		.text = text_dup(snapshot->text),
		.running = snapshot->running,
		.memory = text_dup(snapshot->memory),
		.machine = text_dup(snapshot->machine),
	};
	return 0;
}

void snapshots_remove(struct snapshots *snapshots, const char *name)
{
	struct snapshots rest = {0};
	_cleanup_error_ struct error impossible = ERROR_INIT;

	for (size_t i = 0; i < snapshots->count; i++)
		if (!text_equal(snapshots->items[i].name, name) &&
		    snapshots_add(&rest, &snapshots->items[i], &impossible) < 0)
			abort(); /* it has been checked when it was added */
	snapshots_done(snapshots);
	*snapshots = rest;
}

static void write_one(const struct snapshot *snapshot, xmlTextWriterPtr writer)
{
	xml_open(writer, SNAPSHOTS_PREFIX ":snapshot", "name", snapshot->name);
	xml_attribute(writer, "layer", snapshot->layer);
	xml_attribute(writer, "created", snapshot->created);
	xml_attribute(writer, "running", snapshot->running ? "yes" : "no");
	if (snapshot->text)
		xml_attribute(writer, "text", snapshot->text);
	if (snapshot->memory) {
		xml_attribute(writer, "memory", snapshot->memory);
		xml_attribute(writer, "machine", snapshot->machine);
	}
	xml_end(writer);
}

void snapshots_write(const struct snapshots *snapshots, xmlTextWriterPtr writer)
{
	if (!snapshots->count)
		return;
	xml_open(writer, SNAPSHOTS_PREFIX ":list", "xmlns:" SNAPSHOTS_PREFIX, SNAPSHOTS_URI);
	for (size_t i = 0; i < snapshots->count; i++)
		write_one(&snapshots->items[i], writer);
	xml_end(writer);
}

static xmlNode *child(const xmlNode *parent, const char *name, const char *uri)
{
	xmlNode *node = parent ? parent->children : NULL;

	for (; node; node = node->next)
		if (node->type == XML_ELEMENT_NODE && text_equal((const char *)node->name, name) &&
		    text_equal(node->ns ? (const char *)node->ns->href : NULL, uri))
			return node;
	return NULL;
}

xmlNode *snapshots_find_element(const xmlDoc *domain)
{
	return child(child(xmlDocGetRootElement(domain), "metadata", NULL), "list", SNAPSHOTS_URI);
}

/* The value, borrowed, or NULL. */
static char *attribute(const xmlNode *node, const char *name)
{
	for (const xmlAttr *attr = node->properties; attr; attr = attr->next)
		if (!attr->ns && text_equal((const char *)attr->name, name) && attr->children &&
		    !attr->children->next && attr->children->type == XML_TEXT_NODE)
			return (char *)attr->children->content;
	return NULL;
}

static int read_one(const xmlNode *node, struct snapshots *snapshots, struct error *err)
{
	const struct snapshot snapshot = {
		.name = attribute(node, "name"),
		.layer = attribute(node, "layer"),
		.created = attribute(node, "created"),
		.text = attribute(node, "text"),
		.running = text_equal(attribute(node, "running"), "yes"),
		.memory = attribute(node, "memory"),
		.machine = attribute(node, "machine"),
	};

	return snapshots_add(snapshots, &snapshot, err);
}

int snapshots_read(const xmlDoc *domain, struct snapshots *ret_snapshots, struct error *err)
{
	const xmlNode *list = snapshots_find_element(domain);
	_cleanup_snapshots_ struct snapshots snapshots = {0};

	for (const xmlNode *node = list ? list->children : NULL; node; node = node->next)
		if (node->type == XML_ELEMENT_NODE && read_one(node, &snapshots, err) < 0)
			return -1;
	*ret_snapshots = snapshots;
	snapshots = (struct snapshots){0};
	return 0;
}
