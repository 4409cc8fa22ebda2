/*
 * A sandbox keeps the base it was made over for as long as it lives, also when its box has been
 * built anew; the definition says which.
 */
#include "domain/definition.h"

#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "base/text.h"
#include "domain/domain_xml.h"

#define DISK "/domain/devices/disk[target/@dev='" DOMAIN_DISK_TARGET "']"

void definition_done(struct definition *definition)
{
	metadata_done(&definition->metadata);
	free(definition->base);
	free(definition->base_format);
	free(definition->kernel);
	free(definition->initrd);
	free(definition->cmdline);
	*definition = (struct definition){0};
}

/* The text at @path, or NULL when nothing is there; the caller frees. */
static char *text_at(xmlXPathContextPtr context, const char *path)
{
	xmlXPathObjectPtr found = xmlXPathEvalExpression((const xmlChar *)path, context);
	xmlChar *content = NULL;
	char *text;

	if (found && xmlXPathNodeSetGetLength(found->nodesetval) > 0)
		content = xmlNodeGetContent(found->nodesetval->nodeTab[0]);
	text = text_dup((const char *)content);
	xmlFree(content);
	xmlXPathFreeObject(found);
	return text;
}

static void read_boot(xmlXPathContextPtr context, struct definition *definition)
{
	_cleanup_free_ char *firmware = text_at(context, "/domain/os/@firmware");
	_cleanup_free_ char *hidden =
		text_at(context, "/domain/cpu/feature[@policy='disable' and @name='vmx']/@name");
	_cleanup_free_ char *loader = text_at(context, "/domain/os/loader[@type='pflash']");

	definition->nested = !hidden;
	definition->base = text_at(context, DISK "/backingStore/source/@file");
	definition->base_format = text_at(context, DISK "/backingStore/format/@type");
	definition->kernel = text_at(context, "/domain/os/kernel");
	definition->initrd = text_at(context, "/domain/os/initrd");
	definition->cmdline = text_at(context, "/domain/os/cmdline");
	definition->uefi = loader || text_equal(firmware, "efi");
}

static int read_definition(xmlDocPtr doc, struct definition *definition, struct error *err)
{
	const xmlNode *node = metadata_find(doc);
	xmlXPathContextPtr context;

	if (!node)
		return error_set(err, EX_CANTCREAT, "the domain holds no metadata of migrant");
	if (metadata_read(node, &definition->metadata, err) < 0)
		return -1;
	context = xmlXPathNewContext(doc);
	if (!context)
		abort();
	read_boot(context, definition);
	xmlXPathFreeContext(context);
	if (!definition->base || !definition->base_format)
		return error_set(err, EX_DATAERR, "the domain's disk has no base");
	return 0;
}

int definition_parse(const char *xml, struct definition *ret_definition, struct error *err)
{
	_cleanup_definition_ struct definition definition = {0};
	xmlDocPtr doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
				      XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	int result;

	if (!doc)
		return error_set(err, EX_DATAERR, "the domain is not XML");
	result = read_definition(doc, &definition, err);
	xmlFreeDoc(doc);
	if (result < 0)
		return -1;
	*ret_definition = definition;
	definition = (struct definition){0};
	return 0;
}
