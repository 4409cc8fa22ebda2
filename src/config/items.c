/*
 * Items of the Migrantfile's lists of texts: the grammars are in entries.c, here their complaints
 * get a place in the file.
 */
#include "config/reader.h"

#include <string.h>

#include "base/text.h"
#include "config/grammar.h"

/* Room for one more in @array, zeroed; evaluates to a pointer to it. */
#define GROW(array, count)                                                       \
	({                                                                       \
		(array) = xreallocarray((array), (count) + 1, sizeof(*(array))); \
		memset(&(array)[(count)], 0, sizeof(*(array)));                  \
		&(array)[(count)++];                                             \
	})

static int complaint_error(const struct reader *reader, const struct node *item,
			   const struct complaint *complaint, struct error *err)
{
	source_error(reader->source, node_position(item, complaint->offset), err, "%s",
		     complaint->text);
	return complaint->hint ? error_hint(err, "%s", complaint->hint) : -1;
}

static int duplicate_error(const struct reader *reader, enum config_key_id key,
			   const struct node *item, struct error *err)
{
	return source_error(reader->source, item->position, err, "'%s' names %s twice",
			    config_keys[key].path, item->text);
}

static int read_domain(const struct reader *reader, const struct node *item,
		       struct complaint *complaint, struct error *err)
{
	struct config_network *network = &reader->config->network;
	char *domain = NULL;

	if (parse_domain(item->text, &domain, complaint) < 0)
		return complaint_error(reader, item, complaint, err);
	*GROW(network->domains, network->domain_count) = domain;
	for (size_t i = 0; i + 1 < network->domain_count; i++)
		if (text_equal(network->domains[i], domain))
			return duplicate_error(reader, KEY_NETWORK_DOMAINS, item, err);
	return 0;
}

static int read_dns(const struct reader *reader, const struct node *item,
		    struct complaint *complaint, struct error *err)
{
	struct config_network *network = &reader->config->network;
	struct address address = {0};

	if (parse_resolver(item->text, &address, complaint) < 0)
		return complaint_error(reader, item, complaint, err);
	for (size_t i = 0; i < network->dns_count; i++)
		if (address_equal(&network->dns[i], &address))
			return duplicate_error(reader, KEY_NETWORK_DNS, item, err);
	*GROW(network->dns, network->dns_count) = address;
	return 0;
}

static int read_allow(const struct reader *reader, const struct node *item,
		      struct complaint *complaint, struct error *err)
{
	struct config_network *network = &reader->config->network;
	struct config_allow allow = {.position = item->position};

	if (parse_allow(item->text, &allow, complaint) < 0)
		return complaint_error(reader, item, complaint, err);
	*GROW(network->allow, network->allow_count) = allow;
	return 0;
}

static int read_port(const struct reader *reader, const struct node *item,
		     struct complaint *complaint, struct error *err)
{
	struct config_network *network = &reader->config->network;
	struct config_port port = {.position = item->position};

	if (parse_forwarded_port(item->text, &port, complaint) < 0)
		return complaint_error(reader, item, complaint, err);
	*GROW(network->ports, network->port_count) = port;
	return 0;
}

static int read_tunnel_port(const struct reader *reader, const struct node *item, struct error *err)
{
	struct config *config = reader->config;
	uint16_t port = 0;

	if (parse_port(item->text, &port) < 0)
		return source_error(reader->source, item->position, err,
				    "a port is a number from 1 to 65535, not '%s'", item->text);
	for (size_t i = 0; i < config->tunnel_port_count; i++)
		if (config->tunnel_ports[i] == port)
			return duplicate_error(reader, KEY_TUNNEL, item, err);
	*GROW(config->tunnel_ports, config->tunnel_port_count) = port;
	return 0;
}

/* A tag of the provisioner that is being read. */
static int read_tag(const struct reader *reader, const struct node *item, struct error *err)
{
	struct config *config = reader->config;
	struct config_provision *provision = &config->provision[config->provision_count - 1];

	if (!title_is_valid(item->text))
		return source_error(reader->source, item->position, err, "'%s' is no tag",
				    item->text);
	for (size_t i = 0; i < provision->tag_count; i++)
		if (text_equal(provision->tags[i], item->text))
			return duplicate_error(reader, KEY_PROVISION_TAGS, item, err);
	provision->tags = xreallocarray(provision->tags, provision->tag_count + 2, sizeof(char *));
	provision->tags[provision->tag_count++] = text_dup(item->text);
	provision->tags[provision->tag_count] = NULL;
	return 0;
}

static int read_input(const struct reader *reader, const struct node *item, struct error *err)
{
	struct config *config = reader->config;
	struct config_provision *provision = &config->provision[config->provision_count - 1];

	if (!*item->text)
		return source_error(reader->source, item->position, err, "a path is not empty");
	provision->inputs =
		xreallocarray(provision->inputs, provision->input_count + 2, sizeof(char *));
	provision->inputs[provision->input_count++] = text_dup(item->text);
	provision->inputs[provision->input_count] = NULL;
	return 0;
}

int read_item(const struct reader *reader, enum config_key_id key, const struct node *item,
	      struct error *err)
{
	_cleanup_complaint_ struct complaint complaint = {0};

	if (item->kind != NODE_TEXT || node_is_null(item))
		return source_error(reader->source, item->position, err,
				    "an item of '%s' is a text, not %s", config_keys[key].path,
				    item->kind == NODE_TEXT ? "nothing"
							    : node_kind_text(item->kind));
	if (strlen(item->text) != item->length || strchr(item->text, '\n'))
		return source_error(reader->source, item->position, err,
				    "an item of '%s' is a text on one line", config_keys[key].path);
	if (key == KEY_NETWORK_DOMAINS)
		return read_domain(reader, item, &complaint, err);
	if (key == KEY_NETWORK_DNS)
		return read_dns(reader, item, &complaint, err);
	if (key == KEY_NETWORK_ALLOW)
		return read_allow(reader, item, &complaint, err);
	if (key == KEY_NETWORK_PORTS)
		return read_port(reader, item, &complaint, err);
	if (key == KEY_PROVISION_TAGS)
		return read_tag(reader, item, err);
	if (key == KEY_PROVISION_INPUTS)
		return read_input(reader, item, err);
	return read_tunnel_port(reader, item, err);
}
