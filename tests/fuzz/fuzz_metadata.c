/* What the hook reads from a domain's XML, written by anybody in group libvirt. */
#include <stdint.h>
#include <stdlib.h>

#include <libxml/parser.h>

#include "hook/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	_cleanup_metadata_ struct metadata metadata = {0};
	_cleanup_error_ struct error err = ERROR_INIT;
	xmlDocPtr doc;
	const xmlNode *node;

	if (length > INT32_MAX)
		return 0;
	doc = xmlReadMemory((const char *)bytes, (int)length, NULL, NULL,
			    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	node = doc ? metadata_find(doc) : NULL;
	if (node && (metadata_read(node, &metadata, &err) == 0) == error_is_set(&err))
		abort();
	xmlFreeDoc(doc);
	return 0;
}
