/*
 * A policy as text. In words for people, and in one canonical form: what root has put into force is
 * kept in that form, compared in that form, and read back from it.
 */
#include <netinet/in.h>
#include <stdlib.h>

#include "base/text.h"
#include "network/policy.h"

static const char *protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_UDP ? "udp" : "tcp";
}

const char *policy_egress_name(enum policy_egress egress)
{
	return egress == POLICY_EGRESS_NONE ? "none" : "open";
}

/* ADDRESS:PORT, an IPv6 address in brackets (RFC 3986 §3.2.2). */
static void add_endpoint(const struct address *address, uint16_t port, struct strbuf *output)
{
	bool six = address->family == AF_INET6;
	char text[ADDRESS_TEXT_MAX];

	strbuf_addf(output, "%s%s%s:%u", six ? "[" : "", address_format(address, text),
		    six ? "]" : "", port);
}

/* The canonical form. */

void policy_grant_canonical(const struct policy_grant *grant, struct strbuf *output)
{
	const char *protocol = protocol_name(grant->protocol);
	char address[ADDRESS_TEXT_MAX];

	switch (grant->kind) {
	case GRANT_HOST:
		strbuf_addf(output, "allow host %s/%u", protocol, grant->port);
		break;
	case GRANT_LAN:
		strbuf_addf(output, "allow lan %s", address_format(&grant->address, address));
		if (grant->protocol)
			strbuf_addf(output, " %s/%u", protocol, grant->port);
		break;
	case GRANT_FORWARD:
		strbuf_addf(output, "allow forward %s/%u to ", protocol, grant->port);
		add_endpoint(&grant->address, grant->target_port, output);
		if (grant->via_tunnel)
			strbuf_add_text(output, " via tunnel");
		break;
	}
}

void policy_port_canonical(const struct policy_port *port, struct strbuf *output)
{
	add_endpoint(&port->bind, port->host, output);
	strbuf_addf(output, ":%u", port->guest);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Adds the lines in one order, whatever order they were written in: it means nothing. */
static void add_sorted(char **lines, size_t count, struct strbuf *output)
{
	if (count)
		qsort(lines, count, sizeof(*lines), compare_lines);
	for (size_t i = 0; i < count; i++) {
		strbuf_addf(output, "%s\n", lines[i]);
		free(lines[i]);
	}
}

static void add_grants(const struct policy *policy, struct strbuf *output)
{
	char *lines[POLICY_GRANT_MAX];

	for (size_t i = 0; i < policy->grant_count; i++) {
		struct strbuf line = STRBUF_INIT;

		policy_grant_canonical(&policy->grants[i], &line);
		lines[i] = strbuf_take(&line);
	}
	add_sorted(lines, policy->grant_count, output);
}

static void add_ports(const struct policy *policy, struct strbuf *output)
{
	char *lines[POLICY_PORT_MAX];

	for (size_t i = 0; i < policy->port_count; i++) {
		struct strbuf line = STRBUF_INIT;

		strbuf_add_text(&line, "port ");
		policy_port_canonical(&policy->ports[i], &line);
		lines[i] = strbuf_take(&line);
	}
	add_sorted(lines, policy->port_count, output);
}

void policy_canonical(const struct policy *policy, struct strbuf *output)
{
	const struct policy_limits *limits = &policy->limits;
	char address[ADDRESS_TEXT_MAX];

	strbuf_addf(output, "isolate %s\nipv6 %s\negress %s\n", policy->isolate ? "yes" : "no",
		    policy->ipv6 ? "nat" : "off", policy_egress_name(policy->egress));
	if (policy->tunnel)
		strbuf_add_text(output, "tunnel yes\n");
	for (size_t i = 0; i < policy->dns_count; i++)
		strbuf_addf(output, "dns %s\n", address_format(&policy->dns[i], address));
	add_grants(policy, output);
	add_ports(policy, output);
	strbuf_addf(output, "limits %u %u %u\n", limits->connections, limits->new_per_second,
		    limits->dns_per_second);
}

bool policy_equal(const struct policy *a, const struct policy *b)
{
	_cleanup_strbuf_ struct strbuf one = STRBUF_INIT, other = STRBUF_INIT;

	policy_canonical(a, &one);
	policy_canonical(b, &other);
	return text_equal(strbuf_text(&one), strbuf_text(&other));
}

/* In words. */

static const char *resolver_words(const struct policy *policy)
{
	if (policy->dns_count)
		return policy->tunnel ? ", through the tunnel" : "";
	return policy->tunnel ? "the tunnel's resolver, through the tunnel" : "the host's resolver";
}

static void describe_basics(const struct policy *policy, struct strbuf *output)
{
	char address[ADDRESS_TEXT_MAX];

	if (policy->egress == POLICY_EGRESS_NONE) {
		strbuf_add_text(output, "the Internet is closed, and so is all that is not allowed "
					"here\nno name is looked up\n");
	} else {
		strbuf_addf(output, "the Internet is open%s\n%s\n",
			    policy->tunnel ? ", through the tunnel" : "",
			    policy->isolate
				    ? "private networks and all that the host is connected to are "
				      "closed"
				    : "private networks are open");
		strbuf_add_text(output, "names are looked up by ");
		for (size_t i = 0; i < policy->dns_count; i++)
			strbuf_addf(output, "%s%s", i ? ", " : "",
				    address_format(&policy->dns[i], address));
		strbuf_addf(output, "%s\n", resolver_words(policy));
	}
	if (policy->tunnel)
		strbuf_add_text(output, "nothing leaves outside the tunnel but what is allowed "
					"here without it\n");
	strbuf_add_text(output, "the host itself and other sandboxes are closed\n");
	strbuf_add_text(output, policy->ipv6 ? "IPv6 is as IPv4, translated by the gateway\n"
					     : "IPv6 is off\n");
}

static void describe_grant(const struct policy_grant *grant, const struct wire *wire,
			   struct strbuf *output)
{
	const char *protocol = protocol_name(grant->protocol);
	char address[ADDRESS_TEXT_MAX];

	strbuf_add_text(output, "allowed: ");
	if (grant->kind == GRANT_HOST) {
		strbuf_addf(output, "%s/%u of the host", protocol, grant->port);
	} else {
		uint16_t port = grant->kind == GRANT_LAN ? grant->port : grant->target_port;

		if (grant->protocol)
			strbuf_addf(output, "%s/%u of ", protocol, port);
		strbuf_addf(output, "%s%s", address_format(&grant->address, address),
			    grant->protocol ? "" : ", every port");
	}
	if (grant->kind != GRANT_LAN) {
		strbuf_add_text(output, ", at ");
		add_endpoint(&wire->gateway, grant->port, output);
	}
	strbuf_addf(output, "%s\n", grant->via_tunnel ? ", through the tunnel" : "");
}

static void describe_port(const struct policy_port *port, struct strbuf *output)
{
	strbuf_addf(output, "shown: tcp/%u of the guest, on the host at ", port->guest);
	add_endpoint(&port->bind, port->host, output);
	strbuf_add_char(output, '\n');
}

void policy_describe(const struct policy *policy, const struct wire *wire, struct strbuf *output)
{
	describe_basics(policy, output);
	for (size_t i = 0; i < policy->grant_count; i++)
		describe_grant(&policy->grants[i], wire, output);
	for (size_t i = 0; i < policy->port_count; i++)
		describe_port(&policy->ports[i], output);
	strbuf_addf(output, "at most %u connections\n", policy->limits.connections);
	strbuf_addf(output, "at most %u new connections a second\n", policy->limits.new_per_second);
	strbuf_addf(output, "at most %u DNS questions a second\n", policy->limits.dns_per_second);
}
