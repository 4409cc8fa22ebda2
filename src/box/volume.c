/*
 * <volume> documents, through libxml2's writer, which escapes.
 * Elements: https://libvirt.org/formatstorage.html#storage-volume-xml
 */
#include "box/volume.h"

#include <libxml/parser.h>
#include <libxml/xmlwriter.h>

#include "base/parse.h"
#include "base/text.h"

#define BX(text) ((const xmlChar *)(text)) /* libxml2's own cast drops the const */

static void element(xmlTextWriterPtr writer, const char *name, const char *text)
{
	if (xmlTextWriterWriteElement(writer, BX(name), BX(text)) < 0)
		abort();
}

static void start(xmlTextWriterPtr writer, const char *name)
{
	if (xmlTextWriterStartElement(writer, BX(name)) < 0)
		abort();
}

static void attribute(xmlTextWriterPtr writer, const char *name, const char *text)
{
	if (xmlTextWriterWriteAttribute(writer, BX(name), BX(text)) < 0)
		abort();
}

static void end(xmlTextWriterPtr writer)
{
	if (xmlTextWriterEndElement(writer) < 0)
		abort();
}

static void bytes(xmlTextWriterPtr writer, const char *name, uint64_t value)
{
	_cleanup_free_ char *text = text_format("%llu", (unsigned long long)value);

	start(writer, name);
	attribute(writer, "unit", "bytes");
	if (xmlTextWriterWriteString(writer, BX(text)) < 0)
		abort();
	end(writer);
}

static void format(xmlTextWriterPtr writer, const char *type)
{
	start(writer, "format");
	attribute(writer, "type", type);
	end(writer);
}

static void target(xmlTextWriterPtr writer, const struct volume *volume)
{
	_cleanup_free_ char *mode = text_format("0%o", volume->mode);
	_cleanup_free_ char *group = text_format("%u", volume->group);

	start(writer, "target");
	format(writer, volume->format);
	start(writer, "permissions");
	element(writer, "mode", mode);
	element(writer, "owner", "0");
	element(writer, "group", group);
	end(writer);
	end(writer);
}

static void backing(xmlTextWriterPtr writer, const struct volume *volume)
{
	if (!volume->backing_path)
		return;
	start(writer, "backingStore");
	element(writer, "path", volume->backing_path);
	format(writer, volume->backing_format);
	end(writer);
}

char *volume_xml(const struct volume *volume)
{
	xmlBufferPtr buffer = xmlBufferCreate();
	xmlTextWriterPtr writer = buffer ? xmlNewTextWriterMemory(buffer, 0) : NULL;
	char *text;

	if (!writer)
		abort();
	xmlTextWriterSetIndent(writer, 1);
	start(writer, "volume");
	element(writer, "name", volume->name);
	bytes(writer, "capacity", volume->capacity);
	bytes(writer, "allocation", 0);
	target(writer, volume);
	backing(writer, volume);
	end(writer);
	xmlFreeTextWriter(writer);
	text = text_dup((const char *)xmlBufferContent(buffer));
	xmlBufferFree(buffer);
	return text;
}

static xmlNode *child(xmlNode *parent, const char *name)
{
	xmlNode *node = parent ? parent->children : NULL;

	while (node &&
	       !(node->type == XML_ELEMENT_NODE && text_equal((const char *)node->name, name)))
		node = node->next;
	return node;
}

/* The text of an element, or NULL. The caller frees. */
static char *content(xmlNode *node)
{
	xmlChar *text = node ? xmlNodeGetContent(node) : NULL;
	char *copy = text_dup((const char *)text);

	xmlFree(text);
	return copy;
}

static int read_number(xmlNode *node, unsigned int base, uint64_t max, uint64_t *ret_number)
{
	_cleanup_free_ char *text = content(node);
	unsigned long long number;
	char *end;

	if (!text || !*text)
		return -1;
	errno = 0;
	number = strtoull(text, &end, (int)base);
	if (*end || errno || number > max)
		return -1;
	*ret_number = number;
	return 0;
}

static int read_facts(xmlNode *volume, struct volume_facts *facts)
{
	xmlNode *permissions = child(child(volume, "target"), "permissions");
	xmlNode *times = child(child(volume, "target"), "timestamps");
	uint64_t stored, mode, owner, group;

	if (read_number(child(volume, "physical"), 10, UINT64_MAX, &stored) < 0 ||
	    read_number(child(permissions, "mode"), 8, 07777, &mode) < 0 ||
	    read_number(child(permissions, "owner"), 10, UINT32_MAX, &owner) < 0 ||
	    read_number(child(permissions, "group"), 10, UINT32_MAX, &group) < 0)
		return -1;
	*facts = (struct volume_facts){
		.stored = stored,
		.mode = (unsigned int)mode,
		.owner = (unsigned int)owner,
		.group = (unsigned int)group,
		.modified = content(child(times, "mtime")),
		.changed = content(child(times, "ctime")),
		.backing_path = content(child(child(volume, "backingStore"), "path")),
	};
	return 0;
}

int volume_parse(const char *xml, struct volume_facts *ret_facts, struct error *err)
{
	xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
				    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	int result = doc ? read_facts(xmlDocGetRootElement(doc), ret_facts) : -1;

	xmlFreeDoc(doc);
	if (result < 0)
		return error_set(err, EX_SOFTWARE, "libvirt describes a volume in an unknown way");
	return 0;
}

void volume_facts_done(struct volume_facts *facts)
{
	free(facts->backing_path);
	free(facts->modified);
	free(facts->changed);
	*facts = (struct volume_facts){0};
}
