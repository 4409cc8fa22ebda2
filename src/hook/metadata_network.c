/*
 * The policy's way through the domain XML. Every attribute stands in a table with what demands it:
 * one too many, one too few, or one that belongs to another kind of grant is refused.
 */
#include "hook/metadata_network.h"

#include <netinet/in.h>

#include "base/text.h"

#define BAD EX_DATAERR

static const char *const kind_names[] = {
	[GRANT_HOST] = "host",
	[GRANT_LAN] = "lan",
	[GRANT_FORWARD] = "forward",
};

/* Writing. */

static void write_address(xmlTextWriterPtr writer, const char *name, const struct address *address)
{
	char text[ADDRESS_TEXT_MAX];

	element_write_attribute(writer, name, address_format(address, text));
}

static void write_grant(const struct policy_grant *grant, xmlTextWriterPtr writer)
{
	element_start(writer, "allow", NULL);
	element_write_attribute(writer, "kind", kind_names[grant->kind]);
	if (grant->protocol) {
		element_write_attribute(writer, "protocol",
					grant->protocol == IPPROTO_UDP ? "udp" : "tcp");
		element_write_number(writer, "port", grant->port);
	}
	if (grant->kind != GRANT_HOST)
		write_address(writer, "address", &grant->address);
	if (grant->kind == GRANT_FORWARD)
		element_write_number(writer, "target-port", grant->target_port);
	if (grant->via_tunnel)
		element_write_attribute(writer, "via", "tunnel");
	element_end(writer);
}

static void write_port(const struct policy_port *port, xmlTextWriterPtr writer)
{
	element_start(writer, "port", NULL);
	write_address(writer, "bind", &port->bind);
	element_write_number(writer, "host", port->host);
	element_write_number(writer, "guest", port->guest);
	element_end(writer);
}

static void write_limits(const struct policy_limits *limits, xmlTextWriterPtr writer)
{
	element_start(writer, "limits", NULL);
	element_write_number(writer, "connections", limits->connections);
	element_write_number(writer, "new-per-second", limits->new_per_second);
	element_write_number(writer, "dns-per-second", limits->dns_per_second);
	element_end(writer);
}

void metadata_network_write(const struct policy *policy, xmlTextWriterPtr writer)
{
	char text[ADDRESS_TEXT_MAX];

	element_start(writer, "network", NULL);
	element_write_attribute(writer, "isolate", policy->isolate ? "yes" : "no");
	element_write_attribute(writer, "ipv6", policy->ipv6 ? "nat" : "off");
	element_write_attribute(writer, "egress", policy_egress_name(policy->egress));
	for (size_t i = 0; i < policy->dns_count; i++)
		element_write_text(writer, "dns", address_format(&policy->dns[i], text));
	for (size_t i = 0; i < policy->grant_count; i++)
		write_grant(&policy->grants[i], writer);
	for (size_t i = 0; i < policy->port_count; i++)
		write_port(&policy->ports[i], writer);
	write_limits(&policy->limits, writer);
	element_end(writer);
}

/* Reading. */

/* One of two words, as an attribute. */
static int read_switch(const xmlNode *node, const char *name, const char *off, const char *on,
		       bool *ret_on, struct error *err)
{
	const char *value = element_attribute(node, name);

	if (!text_equal(value, off) && !text_equal(value, on))
		return error_set(err, BAD, "metadata: %s is neither %s nor %s", name, off, on);
	*ret_on = text_equal(value, on);
	return 0;
}

static int read_dns(const xmlNode *node, struct policy *policy, struct error *err)
{
	_cleanup_free_ char *text = NULL;

	if (policy->dns_count == POLICY_DNS_MAX)
		return error_set(err, BAD, "metadata: more than %d resolvers", POLICY_DNS_MAX);
	if (element_expect_attributes(node, 0, err) < 0 || element_text(node, &text, err) < 0)
		return -1;
	if (parse_address(text, &policy->dns[policy->dns_count]) < 0)
		return error_set(err, BAD, "metadata: %.64s is no address", text);
	policy->dns_count++;
	return 0;
}

enum grant_attribute { KIND, PROTOCOL, PORT, ADDRESS, TARGET_PORT, VIA, GRANT_ATTRIBUTES };
static const char *const grant_attributes[GRANT_ATTRIBUTES] = {
	[KIND] = "kind",       [PROTOCOL] = "protocol",	      [PORT] = "port",
	[ADDRESS] = "address", [TARGET_PORT] = "target-port", [VIA] = "via",
};

#define BIT(attribute) (1U << (attribute))
#define SERVICE	       (BIT(PROTOCOL) | BIT(PORT))
/* The sets of attributes that a kind may have. */
static const struct {
	enum policy_grant_kind kind;
	unsigned int set;
} grant_shapes[] = {
	{GRANT_HOST, BIT(KIND) | SERVICE},
	{GRANT_LAN, BIT(KIND) | BIT(ADDRESS)},
	{GRANT_LAN, BIT(KIND) | BIT(ADDRESS) | SERVICE},
	{GRANT_FORWARD, BIT(KIND) | SERVICE | BIT(ADDRESS) | BIT(TARGET_PORT)},
	{GRANT_FORWARD, BIT(KIND) | SERVICE | BIT(ADDRESS) | BIT(TARGET_PORT) | BIT(VIA)},
};

/* The kind, when the attributes in @set are what it has. */
static int find_shape(const char *kind, unsigned int set, enum policy_grant_kind *ret_kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(grant_shapes); i++) {
		if (grant_shapes[i].set != set ||
		    !text_equal(kind, kind_names[grant_shapes[i].kind]))
			continue;
		*ret_kind = grant_shapes[i].kind;
		return 0;
	}
	return -1;
}

static int parse_protocol(const char *text, uint8_t *ret_protocol)
{
	if (!text_equal(text, "tcp") && !text_equal(text, "udp"))
		return -1;
	*ret_protocol = text_equal(text, "tcp") ? IPPROTO_TCP : IPPROTO_UDP;
	return 0;
}

/* Absent values are NULL and stay zero. */
static int parse_grant(const char *const values[GRANT_ATTRIBUTES], struct policy_grant *grant)
{
	if (values[PROTOCOL] && (parse_protocol(values[PROTOCOL], &grant->protocol) < 0 ||
				 parse_port(values[PORT], &grant->port) < 0))
		return -1;
	if (values[ADDRESS] && parse_address(values[ADDRESS], &grant->address) < 0)
		return -1;
	if (values[TARGET_PORT] && parse_port(values[TARGET_PORT], &grant->target_port) < 0)
		return -1;
	grant->via_tunnel = values[VIA] != NULL;
	return values[VIA] && !text_equal(values[VIA], "tunnel") ? -1 : 0;
}

static int read_grant(const xmlNode *node, struct policy *policy, struct error *err)
{
	const char *values[GRANT_ATTRIBUTES];
	struct policy_grant grant = {0};
	unsigned int set = 0;
	size_t count = 0;

	if (policy->grant_count == POLICY_GRANT_MAX)
		return error_set(err, BAD, "metadata: more than %d grants", POLICY_GRANT_MAX);
	for (unsigned int i = 0; i < GRANT_ATTRIBUTES; i++) {
		values[i] = element_attribute(node, grant_attributes[i]);
		set |= values[i] ? BIT(i) : 0;
		count += values[i] != NULL;
	}
	if (element_expect_attributes(node, count, err) < 0)
		return -1;
	if (node->children || find_shape(values[KIND], set, &grant.kind) < 0 ||
	    parse_grant(values, &grant) < 0)
		return error_set(err, BAD, "metadata: a grant is not valid");
	policy->grants[policy->grant_count++] = grant;
	return 0;
}

static int read_port(const xmlNode *node, struct policy *policy, struct error *err)
{
	const char *bind = element_attribute(node, "bind");
	const char *host = element_attribute(node, "host");
	const char *guest = element_attribute(node, "guest");
	struct policy_port port;

	if (policy->port_count == POLICY_PORT_MAX)
		return error_set(err, BAD, "metadata: more than %d ports", POLICY_PORT_MAX);
	if (element_expect_attributes(node, 3, err) < 0)
		return -1;
	if (node->children || !bind || !host || !guest || parse_address(bind, &port.bind) < 0 ||
	    parse_port(host, &port.host) < 0 || parse_port(guest, &port.guest) < 0)
		return error_set(err, BAD, "metadata: a port is not valid");
	policy->ports[policy->port_count++] = port;
	return 0;
}

static int parse_limit(const char *text, uint32_t *ret_limit)
{
	uint64_t number;

	if (!text || parse_number(text, 1, UINT32_MAX, &number) < 0)
		return -1;
	*ret_limit = (uint32_t)number;
	return 0;
}

static int read_limits(const xmlNode *node, struct policy *policy, struct error *err)
{
	struct policy_limits *limits = &policy->limits;

	if (limits->connections)
		return error_set(err, BAD, "metadata: limits stand there twice");
	if (element_expect_attributes(node, 3, err) < 0)
		return -1;
	if (node->children ||
	    parse_limit(element_attribute(node, "connections"), &limits->connections) < 0 ||
	    parse_limit(element_attribute(node, "new-per-second"), &limits->new_per_second) < 0 ||
	    parse_limit(element_attribute(node, "dns-per-second"), &limits->dns_per_second) < 0)
		return error_set(err, BAD, "metadata: the limits are not valid");
	return 0;
}

static const struct {
	const char *element;
	int (*read)(const xmlNode *node, struct policy *policy, struct error *err);
} parts[] = {
	{"dns", read_dns},
	{"allow", read_grant},
	{"port", read_port},
	{"limits", read_limits},
};

static int read_part(const xmlNode *node, struct policy *policy, struct error *err)
{
	for (size_t i = 0; element_is_ours(node) && i < ARRAY_SIZE(parts); i++)
		if (text_equal(element_name(node), parts[i].element))
			return parts[i].read(node, policy, err);
	return error_set(err, BAD, "metadata: network holds something unknown");
}

static int read_attributes(const xmlNode *node, struct policy *policy, struct error *err)
{
	bool none = false;

	if (element_expect_attributes(node, 3, err) < 0 ||
	    read_switch(node, "isolate", "no", "yes", &policy->isolate, err) < 0 ||
	    read_switch(node, "ipv6", "off", "nat", &policy->ipv6, err) < 0 ||
	    read_switch(node, "egress", "open", "none", &none, err) < 0)
		return -1;
	policy->egress = none ? POLICY_EGRESS_NONE : POLICY_EGRESS_OPEN;
	return 0;
}

int metadata_network_read(const xmlNode *node, struct policy *ret_policy, struct error *err)
{
	struct policy policy = {0};

	if (read_attributes(node, &policy, err) < 0)
		return -1;
	for (const xmlNode *child = node->children; child; child = child->next)
		if (!xmlIsBlankNode(child) && read_part(child, &policy, err) < 0)
			return -1;
	*ret_policy = policy;
	return 0;
}
