/*
 * Every accepted policy renders: to rules, to dnsmasq's configuration, to its canonical text, to
 * words and to metadata, and comes back from those that are read again. The renderer aborts on a
 * value that is not of its type.
 */
#include <stdint.h>
#include <stdlib.h>

#include <libxml/parser.h>

#include "base/text.h"
#include "draw.h"
#include "hook/metadata_network.h"
#include "hook/protocol.h"
#include "network/block.h"
#include "network/dnsmasq.h"
#include "network/rules.h"
#include "network/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static struct wire sample_wire(void)
{
	struct wire wire = {.length = 30};

	require(parse_mac(GUEST_MAC, &wire.guest_mac) == 0 &&
		parse_address("10.213.0.1", &wire.gateway) == 0 &&
		parse_address("10.213.0.2", &wire.guest) == 0);
	return wire;
}

static void render_rules(const struct policy *policy, const struct wire *wire,
			 const struct tunnel *tunnel)
{
	static const struct surroundings host = {0};
	_cleanup_prefix_list_ struct prefix_list closed = {0};
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct prefix pool, block;
	const struct rules rules = {"mgt01234567", wire, policy,	&pool, &block,
				    &host,	   101,	 "mgw01234567", tunnel};
	const struct dnsmasq dnsmasq = {"mgt01234567", "nobody", "/r",	 wire,
					policy,	       tunnel,	 &closed};
	_cleanup_free_ char *config = NULL;

	require(parse_prefix(BLOCK_POOL_DEFAULT, &pool) == 0 &&
		parse_prefix("198.18.0.16/28", &block) == 0);
	rules_gateway(&rules, &text);
	rules_wire(&rules, &text);
	require(!strstr(strbuf_text(&text), "${"));
	rules_closed(&rules, &closed);
	config = dnsmasq_config(&dnsmasq);
	require(config && *config);
}

static void read_canonical(const struct policy *policy)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct policy back;

	policy_canonical(policy, &text);
	require(policy_parse(strbuf_text(&text), &back, &err) == 0);
	require(policy_equal(policy, &back));
}

static void read_metadata(const struct policy *policy)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	xmlBufferPtr buffer = xmlBufferCreate();
	xmlTextWriterPtr writer = xmlNewTextWriterMemory(buffer, 0);
	struct policy back;
	xmlDocPtr doc;

	element_start(writer, "sandbox", METADATA_URI);
	metadata_network_write(policy, writer);
	element_end(writer);
	xmlFreeTextWriter(writer);
	doc = xmlReadMemory((const char *)buffer->content, (int)buffer->use, NULL, NULL,
			    XML_PARSE_NONET);
	xmlBufferFree(buffer);
	require(doc &&
		metadata_network_read(xmlDocGetRootElement(doc)->children, &back, &err) == 0);
	xmlFreeDoc(doc);
	back.tunnel = policy->tunnel; /* said by another element */
	require(policy_equal(policy, &back));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct draw draw = {.bytes = bytes, .length = length};
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf words = STRBUF_INIT;
	const struct wire wire = sample_wire();
	struct policy policy;
	struct tunnel tunnel;

	draw_policy(&draw, &policy);
	draw_tunnel(&draw, &tunnel);
	if (policy_validate(&policy, &err) < 0 || tunnel_validate(&tunnel, &err) < 0)
		return 0;
	policy_describe(&policy, &wire, &words);
	render_rules(&policy, &wire, &tunnel);
	read_canonical(&policy);
	read_metadata(&policy);
	return 0;
}
