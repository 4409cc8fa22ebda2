/*
 * The tunnel in the metadata: addresses and an identity, by which the hook knows the configuration
 * that was staged for this start. No key stands here: everybody in group libvirt can read it.
 */
#include "hook/metadata_tunnel.h"

#include "base/text.h"
#include "hook/element.h"

#define BAD EX_DATAERR

void metadata_write_tunnel(const struct tunnel *tunnel, xmlTextWriterPtr writer)
{
	char text[PREFIX_TEXT_MAX];

	if (!tunnel_is_set(tunnel))
		return;
	element_start(writer, "tunnel", NULL);
	element_write_attribute(writer, "identity", tunnel->identity);
	element_write_number(writer, "mtu", tunnel->mtu);
	for (size_t i = 0; i < tunnel->address_count; i++)
		element_write_text(writer, "address", prefix_format(&tunnel->addresses[i], text));
	for (size_t i = 0; i < tunnel->dns_count; i++)
		element_write_text(writer, "dns", address_format(&tunnel->dns[i], text));
	element_end(writer);
}

static int read_child(const xmlNode *node, struct tunnel *tunnel, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	const char *name = element_name(node);
	bool is_address = text_equal(name, "address");

	if (!element_is_ours(node) || (!is_address && !text_equal(name, "dns")))
		return error_set(err, BAD, "metadata: the tunnel holds something unknown");
	if (is_address ? tunnel->address_count == TUNNEL_ADDRESS_MAX
		       : tunnel->dns_count == TUNNEL_DNS_MAX)
		return error_set(err, BAD, "metadata: the tunnel has too many addresses");
	if (element_expect_attributes(node, 0, err) < 0 || element_text(node, &text, err) < 0)
		return -1;
	if (is_address && parse_prefix(text, &tunnel->addresses[tunnel->address_count++]) == 0)
		return 0;
	if (!is_address && parse_address(text, &tunnel->dns[tunnel->dns_count++]) == 0)
		return 0;
	return error_set(err, BAD, "metadata: the tunnel's %.64s is no address", text);
}

int metadata_read_tunnel(const xmlNode *node, struct tunnel *ret_tunnel, struct error *err)
{
	const char *identity = element_attribute(node, "identity");
	const char *mtu = element_attribute(node, "mtu");
	struct tunnel tunnel = {0};
	uint64_t number = 0;

	if (element_expect_attributes(node, 2, err) < 0)
		return -1;
	if (!identity || strlen(identity) != TUNNEL_IDENTITY_LENGTH || !mtu ||
	    parse_number(mtu, TUNNEL_MTU_MIN, TUNNEL_MTU_MAX, &number) < 0)
		return error_set(err, BAD, "metadata: the tunnel is not valid");
	memcpy(tunnel.identity, identity, sizeof(tunnel.identity));
	tunnel.mtu = (uint32_t)number;
	for (const xmlNode *child = node->children; child; child = child->next)
		if (!xmlIsBlankNode(child) && read_child(child, &tunnel, err) < 0)
			return -1;
	*ret_tunnel = tunnel;
	return 0;
}
