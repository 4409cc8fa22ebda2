/*
 * libxml2's writer in the few words that a domain needs. All text goes through its escaping calls;
 * what XML cannot carry is refused first, by whoever builds a document.
 */
#include "domain/xml.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/text.h"

#define BX(text) ((const xmlChar *)(text))

/* libxml2 fails only when memory runs out. */
static void check(int written)
{
	if (written < 0)
		abort();
}

void xml_start(xmlTextWriterPtr writer, const char *name)
{
	check(xmlTextWriterStartElement(writer, BX(name)));
}

void xml_end(xmlTextWriterPtr writer)
{
	check(xmlTextWriterEndElement(writer));
}

void xml_attribute(xmlTextWriterPtr writer, const char *name, const char *value)
{
	check(xmlTextWriterWriteAttribute(writer, BX(name), BX(value)));
}

void xml_element(xmlTextWriterPtr writer, const char *name, const char *text)
{
	check(xmlTextWriterWriteElement(writer, BX(name), BX(text)));
}

void xml_empty(xmlTextWriterPtr writer, const char *name, const char *key, const char *value)
{
	xml_start(writer, name);
	if (key)
		xml_attribute(writer, key, value);
	xml_end(writer);
}

void xml_open(xmlTextWriterPtr writer, const char *name, const char *key, const char *value)
{
	xml_start(writer, name);
	xml_attribute(writer, key, value);
}

void xml_text(xmlTextWriterPtr writer, const char *text)
{
	check(xmlTextWriterWriteString(writer, BX(text)));
}

void xml_text_number(xmlTextWriterPtr writer, uint64_t value)
{
	check(xmlTextWriterWriteFormatString(writer, "%" PRIu64, value));
}

void xml_number(xmlTextWriterPtr writer, const char *name, const char *unit, uint64_t value)
{
	xml_start(writer, name);
	if (unit)
		xml_attribute(writer, "unit", unit);
	xml_text_number(writer, value);
	xml_end(writer);
}

/* XML 1.0 §2.2 has no control characters but tab, line feed and carriage return; none is ours. */
int xml_check_text(const char *what, const char *text, struct error *err)
{
	if (!text)
		return 0;
	if (!text_is_utf8(text, strlen(text)))
		return error_set(err, EX_DATAERR, "the %s is not UTF-8: '%s'", what, text);
	for (const char *at = text; *at; at++)
		if (iscntrl((unsigned char)*at))
			return error_set(err, EX_DATAERR, "the %s holds a control character: '%s'",
					 what, text);
	return 0;
}

xmlTextWriterPtr xml_writer_new(xmlBufferPtr *ret_buffer)
{
	xmlBufferPtr buffer = xmlBufferCreate();
	xmlTextWriterPtr writer = buffer ? xmlNewTextWriterMemory(buffer, 0) : NULL;

	if (!writer)
		abort();
	xmlTextWriterSetIndent(writer, 1);
	xmlTextWriterSetIndentString(writer, BX("  "));
	*ret_buffer = buffer;
	return writer;
}

char *xml_writer_finish(xmlTextWriterPtr writer, xmlBufferPtr buffer)
{
	char *text;

	check(xmlTextWriterEndDocument(writer));
	xmlFreeTextWriter(writer);
	text = text_format("%s\n", (const char *)xmlBufferContent(buffer));
	xmlBufferFree(buffer);
	return text;
}

bool xml_is_named(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && !node->ns &&
	       text_equal((const char *)node->name, name);
}

xmlNode *xml_child(const xmlNode *parent, const char *name)
{
	xmlNode *node = parent ? parent->children : NULL;

	while (node && !xml_is_named(node, name))
		node = node->next;
	return node;
}

void xml_drop(xmlNode *node)
{
	if (!node)
		return;
	xmlUnlinkNode(node);
	xmlFreeNode(node);
}
