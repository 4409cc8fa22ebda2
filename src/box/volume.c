/*
 * <volume> documents, through libxml2's writer, which escapes.
 * Elements: https://libvirt.org/formatstorage.html#storage-volume-xml
 */
#include "box/volume.h"

#include <libxml/xmlwriter.h>

#include "base/text.h"

static void element(xmlTextWriterPtr writer, const char *name, const char *text)
{
	if (xmlTextWriterWriteElement(writer, BAD_CAST name, BAD_CAST text) < 0)
		abort();
}

static void start(xmlTextWriterPtr writer, const char *name)
{
	if (xmlTextWriterStartElement(writer, BAD_CAST name) < 0)
		abort();
}

static void attribute(xmlTextWriterPtr writer, const char *name, const char *text)
{
	if (xmlTextWriterWriteAttribute(writer, BAD_CAST name, BAD_CAST text) < 0)
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
	if (xmlTextWriterWriteString(writer, BAD_CAST text) < 0)
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

	start(writer, "target");
	format(writer, volume->format);
	start(writer, "permissions");
	element(writer, "mode", mode);
	element(writer, "owner", "0");
	element(writer, "group", "0");
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
