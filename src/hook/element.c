/*
 * The small tools of the metadata's readers and writers. An element that holds more than it should
 * is refused here, so that a reader cannot forget to.
 */
#include "hook/element.h"

#include <string.h>

#include "base/text.h"
#include "hook/protocol.h"

#define BX(text) ((const xmlChar *)(text)) /* libxml2's own cast drops the const */

static void check(int result)
{
	if (result < 0)
		abort();
}

void element_start(xmlTextWriterPtr writer, const char *name, const char *uri)
{
	check(xmlTextWriterStartElementNS(writer, BX(METADATA_PREFIX), BX(name), BX(uri)));
}

void element_end(xmlTextWriterPtr writer)
{
	check(xmlTextWriterEndElement(writer));
}

void element_write_text(xmlTextWriterPtr writer, const char *name, const char *text)
{
	check(xmlTextWriterWriteElementNS(writer, BX(METADATA_PREFIX), BX(name), NULL, BX(text)));
}

void element_write_attribute(xmlTextWriterPtr writer, const char *name, const char *value)
{
	check(xmlTextWriterWriteAttribute(writer, BX(name), BX(value)));
}

void element_write_number(xmlTextWriterPtr writer, const char *name, unsigned int number)
{
	_cleanup_free_ char *text = text_format("%u", number);

	element_write_attribute(writer, name, text);
}

bool element_is_ours(const xmlNode *node)
{
	return node->type == XML_ELEMENT_NODE && node->ns &&
	       xmlStrEqual(node->ns->href, BX(METADATA_URI));
}

const char *element_name(const xmlNode *node)
{
	return (const char *)node->name;
}

int element_text(const xmlNode *node, char **ret_text, struct error *err)
{
	const xmlNode *child = node->children;

	if (!child || child->next || child->type != XML_TEXT_NODE ||
	    xmlStrlen(child->content) >= ELEMENT_TEXT_MAX)
		return error_set(err, EX_DATAERR, "metadata: %.64s holds no proper text",
				 element_name(node));
	*ret_text = text_dup((const char *)child->content);
	return 0;
}

const char *element_attribute(const xmlNode *node, const char *name)
{
	for (const xmlAttr *attr = node->properties; attr; attr = attr->next) {
		const xmlNode *value = attr->children;

		if (!text_equal((const char *)attr->name, name) || attr->ns)
			continue;
		if (!value || value->next || value->type != XML_TEXT_NODE)
			return NULL;
		return (const char *)value->content;
	}
	return NULL;
}

int element_expect_attributes(const xmlNode *node, size_t count, struct error *err)
{
	size_t found = 0;

	for (const xmlAttr *attr = node->properties; attr; attr = attr->next)
		found++;
	if (found != count)
		return error_set(err, EX_DATAERR,
				 "metadata: %.64s has %zu attributes instead of %zu",
				 element_name(node), found, count);
	return 0;
}
