/*
 * Memory fits exactly the machine that it was saved on, addresses of devices included, so that is
 * what the guest goes on on. Which disk it goes on with, and what it may do, is decided anew.
 */
#include "domain/saved.h"

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "base/text.h"
#include "domain/live.h"
#include "domain/xml.h"

#define PARSE_OPTIONS \
	(XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS)

static xmlDocPtr parse(const char *xml)
{
	return xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, PARSE_OPTIONS);
}

/* Frees the document. */
static char *dump(xmlDocPtr doc)
{
	xmlChar *bytes = NULL;
	char *text;
	int length;

	xmlDocDumpMemory(doc, &bytes, &length);
	text = text_dup((const char *)bytes);
	xmlFree(bytes);
	xmlFreeDoc(doc);
	return text;
}

char *saved_machine(const char *xml)
{
	xmlDocPtr doc = parse(xml);
	xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
	const xmlNode *devices = xml_child(root, "devices");

	if (!doc)
		return NULL;
	xml_drop(xml_child(root, "metadata"));
	xml_drop(xml_child(root, "genid"));
	for (xmlNode *node = devices ? devices->children : NULL, *next; node; node = next) {
		next = node->next;
		if (xml_is_named(node, "disk")) {
			xml_drop(xml_child(node, "source"));
			xml_drop(xml_child(node, "backingStore"));
		} else if (xml_is_named(node, "controller")) {
			xml_drop(node); /* libvirt adds them, and not always in the same order */
		}
	}
	return dump(doc);
}

static int replace_metadata(xmlDocPtr doc, const struct metadata *metadata, struct error *err)
{
	const xmlNode *ours = metadata_find(doc);
	xmlNode *parent = xml_child(xmlDocGetRootElement(doc), "metadata");
	xmlNode *node = ours && parent ? parent->children : NULL;
	_cleanup_free_ char *text = metadata_document(metadata);
	xmlDocPtr replacement = parse(text);
	xmlNode *copy;

	if (!replacement)
		abort();
	copy = xmlDocCopyNode(xmlDocGetRootElement(replacement), doc, 1);
	xmlFreeDoc(replacement);
	if (!copy)
		abort();
	while (node && node != ours)
		node = node->next;
	if (!node) {
		xmlFreeNode(copy);
		return error_set(err, EX_DATAERR, "the saved domain is not as migrant made it");
	}
	xmlReplaceNode(node, copy);
	xmlFreeNode(node);
	return 0;
}

int saved_edit(const char *xml, const struct definition *definition, char **ret_xml,
	       struct error *err)
{
	_cleanup_free_ char *edited = NULL;
	xmlDocPtr doc;

	if (definition_edit(xml, definition, &edited, err) < 0)
		return -1;
	doc = parse(edited);
	if (!doc)
		return error_set(err, EX_DATAERR, "the saved domain is not XML");
	/* libvirt has written our limit down there, and would let QEMU lock that much */
	xml_drop(xml_child(xmlDocGetRootElement(doc), "memtune"));
	if (replace_metadata(doc, &definition->metadata, err) < 0) {
		xmlFreeDoc(doc);
		return -1;
	}
	*ret_xml = dump(doc);
	return 0;
}
