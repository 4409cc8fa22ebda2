/*
 * Deciding whose domain it is. Every domain of the host comes by here, so one that has nothing of
 * ours costs no more than a search in its text; and one that has something of ours must be ours
 * altogether.
 */
#include "hook/request.h"

#include <libxml/parser.h>

#include "base/text.h"
#include "hook/whitelist.h"

const char *request_sandbox(const char *domain)
{
	const char *name = domain + strlen(SANDBOX_PREFIX);

	return text_starts(domain, SANDBOX_PREFIX) && name_is_valid(name) ? name : NULL;
}

/* Whether there is any reason to parse: the words that only a sandbox's XML holds. */
static bool mentions_us(const char *xml, size_t length)
{
	static const char *const words[] = {METADATA_URI, "mgt", "/migrant/"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (memmem(xml, length, words[i], strlen(words[i])))
			return true;
	return false;
}

static void free_document(xmlDocPtr *document)
{
	xmlFreeDoc(*document);
}

static int read_domain(const xmlDoc *document, struct request *request, struct error *err)
{
	const xmlNode *root = xmlDocGetRootElement(document);
	const xmlNode *node = metadata_find(document);
	const char *name = request_sandbox(request->domain);

	if (!root || document->intSubset)
		return error_set(err, EX_DATAERR, "the domain's XML has a document type");
	if (!node && !whitelist_resembles(root))
		return 0;
	if (!node) {
		error_set(err, EX_NOPERM, "the domain %s has lost its metadata", request->domain);
		return error_hint(err, "destroy the sandbox and make it anew");
	}
	if (metadata_read(node, &request->metadata, err) < 0)
		return -1;
	request->ours = true;
	if (!text_equal(name, request->metadata.name))
		return error_set(err, EX_NOPERM, "the domain %s carries the metadata of %s",
				 request->domain, request->metadata.name);
	if (whitelist_check(root, &request->metadata, err) < 0)
		return -1;
	frozen_read(root, &request->frozen);
	return 0;
}

int request_parse(const char *domain, const char *xml, size_t length, struct request *ret_request,
		  struct error *err)
{
	_cleanup_request_ struct request request = {.domain = domain};
	_cleanup_(free_document) xmlDocPtr document = NULL;

	if (!mentions_us(xml, length)) {
		*ret_request = request;
		return 0;
	}
	if (length > DOMAIN_XML_MAX)
		return error_set(err, EX_DATAERR, "the domain's XML is larger than %d bytes",
				 DOMAIN_XML_MAX);
	document = xmlReadMemory(xml, (int)length, "domain.xml", NULL,
				 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
					 XML_PARSE_NOCDATA);
	if (!document)
		return error_set(err, EX_DATAERR, "the domain's XML cannot be read");
	if (read_domain(document, &request, err) < 0)
		return -1;
	*ret_request = request;
	request = (struct request){0};
	return 0;
}

void request_done(struct request *request)
{
	metadata_done(&request->metadata);
	frozen_done(&request->frozen);
}
