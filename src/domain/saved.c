/*
 * Memory fits exactly the machine that it was saved on, addresses of devices included, so that is
 * what the guest goes on on. Which disk it goes on with, and what it may do, is decided anew.
 */
#include "domain/saved.h"

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "base/text.h"
#include "domain/live.h"

#define PARSE_OPTIONS \
	(XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS)

static xmlDocPtr parse(const char *xml)
{
	return xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, PARSE_OPTIONS);
}

static bool is_named(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && !node->ns &&
	       text_equal((const char *)node->name, name);
}

/* The element, or NULL; @node may be NULL. */
static xmlNode *child(const xmlNode *node, const char *name)
{
	xmlNode *found = node ? node->children : NULL;

	while (found && !is_named(found, name))
		found = found->next;
	return found;
}

static void drop(xmlNode *node)
{
	if (!node)
		return;
	xmlUnlinkNode(node);
	xmlFreeNode(node);
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
	const xmlNode *devices = child(root, "devices");

	if (!doc)
		return NULL;
	drop(child(root, "metadata"));
	drop(child(root, "genid"));
	for (xmlNode *node = devices ? devices->children : NULL, *next; node; node = next) {
		next = node->next;
		if (is_named(node, "disk")) {
			drop(child(node, "source"));
			drop(child(node, "backingStore"));
		} else if (is_named(node, "controller")) {
			drop(node); /* libvirt adds them, and not always in the same order */
		}
	}
	return dump(doc);
}

static int replace_metadata(xmlDocPtr doc, const struct metadata *metadata, struct error *err)
{
	const xmlNode *ours = metadata_find(doc);
	xmlNode *parent = child(xmlDocGetRootElement(doc), "metadata");
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
	drop(child(xmlDocGetRootElement(doc), "memtune"));
	if (replace_metadata(doc, &definition->metadata, err) < 0) {
		xmlFreeDoc(doc);
		return -1;
	}
	*ret_xml = dump(doc);
	return 0;
}
