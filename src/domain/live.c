/*
 * Changing the metadata of a running domain. No hook is called for it: what is said here must have
 * been made real before.
 */
#include "domain/live.h"

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "base/text.h"
#include "domain/libvirt.h"

#define PARSE_OPTIONS (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)

int live_metadata(virDomainPtr handle, struct metadata *ret_metadata, struct error *err)
{
	_cleanup_free_ char *xml = virDomainGetXMLDesc(handle, 0);
	const xmlNode *node;
	xmlDocPtr doc;
	int result;

	if (!xml)
		return libvirt_error(err, EX_SOFTWARE, "cannot read the running domain");
	doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, PARSE_OPTIONS);
	node = doc ? metadata_find(doc) : NULL;
	if (node)
		result = metadata_read(node, ret_metadata, err);
	else
		result = error_set(err, EX_SOFTWARE, "the running domain has lost its metadata");
	xmlFreeDoc(doc);
	return result;
}

char *metadata_document(const struct metadata *metadata)
{
	xmlBufferPtr buffer = xmlBufferCreate();
	xmlTextWriterPtr writer = buffer ? xmlNewTextWriterMemory(buffer, 0) : NULL;
	char *text;

	if (!writer)
		abort();
	metadata_write(metadata, writer);
	xmlFreeTextWriter(writer);
	text = text_dup((const char *)buffer->content);
	xmlBufferFree(buffer);
	return text;
}

static void leave_namespace(xmlNodePtr node)
{
	node->ns = NULL;
	for (xmlNodePtr child = node->children; child; child = child->next)
		if (child->type == XML_ELEMENT_NODE)
			leave_namespace(child);
}

/* libvirt declares the namespace itself, and refuses an element that has done so. */
static char *without_namespace(const char *text)
{
	xmlDocPtr doc = xmlReadMemory(text, (int)strlen(text), NULL, NULL, PARSE_OPTIONS);
	xmlNodePtr root = doc ? xmlDocGetRootElement(doc) : NULL;
	xmlBufferPtr buffer = xmlBufferCreate();
	char *bare;

	if (!root || !buffer)
		abort();
	leave_namespace(root);
	xmlFreeNsList(root->nsDef);
	root->nsDef = NULL;
	if (xmlNodeDump(buffer, doc, root, 0, 0) < 0)
		abort();
	bare = text_dup((const char *)buffer->content);
	xmlBufferFree(buffer);
	xmlFreeDoc(doc);
	return bare;
}

int live_store_metadata(virDomainPtr handle, const struct metadata *metadata, enum live_which which,
			struct error *err)
{
	_cleanup_free_ char *document = metadata_document(metadata);
	_cleanup_free_ char *bare = without_namespace(document);
	unsigned int flags =
		which == LIVE_RUNNING ? VIR_DOMAIN_AFFECT_LIVE : VIR_DOMAIN_AFFECT_CONFIG;

	if (virDomainSetMetadata(handle, VIR_DOMAIN_METADATA_ELEMENT, bare, METADATA_PREFIX,
				 METADATA_URI, flags) < 0)
		return libvirt_error(err, EX_SOFTWARE, "cannot change the domain's metadata");
	return 0;
}
