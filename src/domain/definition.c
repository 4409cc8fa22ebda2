/*
 * A sandbox keeps the base it was made over for as long as it lives, also when its box has been
 * built anew; the definition says which.
 */
#include "domain/definition.h"

#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "base/text.h"
#include "domain/devices.h"
#include "domain/domain_xml.h"
#include "domain/xml.h"
#include "hook/disks.h"

#define PARSE_OPTIONS \
	(XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS)

#define DISK "/domain/devices/disk[target/@dev='" DOMAIN_DISK_TARGET "']"

void definition_done(struct definition *definition)
{
	metadata_done(&definition->metadata);
	snapshots_done(&definition->snapshots);
	free(definition->disk);
	free_list(definition->layers);
	free(definition->base);
	free(definition->base_format);
	free(definition->below);
	free(definition->below_format);
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
	definition->kernel = text_at(context, "/domain/os/kernel");
	definition->initrd = text_at(context, "/domain/os/initrd");
	definition->cmdline = text_at(context, "/domain/os/cmdline");
	definition->uefi = loader || text_equal(firmware, "efi");
}

/* The attribute's text or NULL; the caller frees. */
static char *attribute(const xmlNode *node, const char *name)
{
	xmlChar *value = node ? xmlGetNoNsProp(node, (const xmlChar *)name) : NULL;
	char *text = text_dup((const char *)value);

	xmlFree(value);
	return text;
}

/* A layer with the image below it stands where else the image does. */
static void read_layer(struct definition *definition, char **layer)
{
	definition->below = take_ptr(definition->base);
	definition->below_format = take_ptr(definition->base_format);
	definition->base = take_ptr(*layer);
	definition->base_format = text_dup("qcow2");
}

/* What lies below the disk: frozen ones of sandboxes, and at the bottom the base. */
static int read_chain(const xmlNode *disk, struct definition *definition, struct error *err)
{
	size_t count = 0;

	definition->disk = attribute(xml_child(disk, "source"), "file");
	definition->layers = xcalloc(DISK_LAYERS_MAX + 1, sizeof(*definition->layers));
	for (const xmlNode *store = xml_child(disk, "backingStore"); xml_child(store, "source");
	     store = xml_child(store, "backingStore")) {
		if (count > DISK_LAYERS_MAX)
			return error_set(err, EX_DATAERR, "the domain's disk has too many layers");
		if (count++)
			definition->layers[count - 2] = take_ptr(definition->base);
		free(definition->base);
		free(definition->base_format);
		definition->base = attribute(xml_child(store, "source"), "file");
		definition->base_format = attribute(xml_child(store, "format"), "type");
	}
	if (count >= 2 && disk_is_layer(definition->layers[count - 2]))
		read_layer(definition, &definition->layers[count - 2]);
	return 0;
}

static xmlNode *find_disk(xmlXPathContextPtr context)
{
	xmlXPathObjectPtr found = xmlXPathEvalExpression((const xmlChar *)DISK, context);
	xmlNode *disk = found && xmlXPathNodeSetGetLength(found->nodesetval) > 0
				? found->nodesetval->nodeTab[0]
				: NULL;

	xmlXPathFreeObject(found);
	return disk;
}

static int read_definition(xmlDocPtr doc, struct definition *definition, struct error *err)
{
	const xmlNode *node = metadata_find(doc);
	xmlXPathContextPtr context;
	int result;

	if (!node)
		return error_set(err, EX_CANTCREAT, "the domain holds no metadata of migrant");
	if (metadata_read(node, &definition->metadata, err) < 0 ||
	    snapshots_read(doc, &definition->snapshots, err) < 0)
		return -1;
	context = xmlXPathNewContext(doc);
	if (!context)
		abort();
	read_boot(context, definition);
	result = read_chain(find_disk(context), definition, err);
	xmlXPathFreeContext(context);
	if (result < 0)
		return -1;
	if (!definition->disk || !definition->base || !definition->base_format)
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

/* A document that holds what the domain's is to have instead: <source>, <backingStore>, the index.
 */
static xmlDocPtr new_parts(const struct definition *definition)
{
	_cleanup_free_ char *text = NULL;
	xmlBufferPtr buffer;
	xmlTextWriterPtr writer = xml_writer_new(&buffer);
	xmlDocPtr doc;

	xml_start(writer, "parts");
	devices_write_source(writer, &(const struct disk_source){
					     .disk = definition->disk,
					     .layers = (const char *const *)definition->layers,
					     .base = definition->base,
					     .base_format = definition->base_format,
					     .below = definition->below,
					     .below_format = definition->below_format,
				     });
	snapshots_write(&definition->snapshots, writer);
	xml_end(writer);
	text = xml_writer_finish(writer, buffer);
	doc = xmlReadMemory(text, (int)strlen(text), NULL, NULL, PARSE_OPTIONS);
	if (!doc)
		abort();
	return doc;
}

static void replace_parts(xmlDocPtr doc, xmlNode *disk, xmlNode *metadata, xmlDocPtr parts)
{
	xml_drop(xml_child(disk, "source"));
	xml_drop(xml_child(disk, "backingStore"));
	xml_drop(snapshots_find_element(doc));
	for (xmlNode *part = xmlDocGetRootElement(parts)->children; part; part = part->next) {
		xmlNode *copy = xmlDocCopyNode(part, doc, 1);

		if (!copy || !xmlAddChild(part->ns ? metadata : disk, copy))
			abort();
	}
}

static int edit(xmlDocPtr doc, const struct definition *definition, struct error *err)
{
	xmlXPathContextPtr context = xmlXPathNewContext(doc);
	xmlNode *metadata = xml_child(xmlDocGetRootElement(doc), "metadata");
	xmlNode *disk;
	xmlDocPtr parts;

	if (!context)
		abort();
	disk = find_disk(context);
	xmlXPathFreeContext(context);
	if (!disk || !metadata)
		return error_set(err, EX_DATAERR, "the domain is not as migrant made it");
	parts = new_parts(definition);
	replace_parts(doc, disk, metadata, parts);
	xmlFreeDoc(parts);
	return 0;
}

int definition_edit(const char *xml, const struct definition *definition, char **ret_xml,
		    struct error *err)
{
	xmlDocPtr doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, PARSE_OPTIONS);
	xmlChar *text = NULL;
	int length, result;

	if (!doc)
		return error_set(err, EX_DATAERR, "the domain is not XML");
	result = edit(doc, definition, err);
	if (result == 0) {
		xmlDocDumpFormatMemory(doc, &text, &length, 1);
		*ret_xml = text_dup((const char *)text);
		xmlFree(text);
	}
	xmlFreeDoc(doc);
	return result;
}
