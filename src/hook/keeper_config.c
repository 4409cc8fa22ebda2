/*
 * The keeper's orders as JSON. Root writes and root reads them; they are read strictly all the
 * same, for a hook of another version may have written them.
 */
#include "hook/keeper_config.h"

#include <json-c/json.h>

#include "base/text.h"

void keeper_config_make(const struct metadata *metadata, const struct address *control,
			struct keeper_config *ret_config)
{
	const struct policy *policy = &metadata->policy;
	struct keeper_config config = {
		.owner = metadata->owner,
		.guest = metadata->wire.guest,
		.gateway = metadata->wire.gateway,
		.control = *control,
		.port_count = policy->port_count,
	};

	for (size_t i = 0; i < policy->grant_count; i++)
		if (policy->grants[i].kind == GRANT_HOST)
			config.grants[config.grant_count++] = (struct keeper_grant){
				policy->grants[i].protocol, policy->grants[i].port};
	memcpy(config.ports, policy->ports, sizeof(config.ports));
	*ret_config = config;
}

static void add_address(json_object *root, const char *key, const struct address *address)
{
	char text[ADDRESS_TEXT_MAX];

	json_object_object_add(root, key, json_object_new_string(address_format(address, text)));
}

static void add_number(json_object *root, const char *key, int64_t number)
{
	json_object_object_add(root, key, json_object_new_int64(number));
}

static json_object *format_grant(const struct keeper_grant *grant)
{
	json_object *item = json_object_new_object();

	json_object_object_add(
		item, "protocol",
		json_object_new_string(grant->protocol == IPPROTO_UDP ? "udp" : "tcp"));
	add_number(item, "port", grant->port);
	return item;
}

static json_object *format_port(const struct policy_port *port)
{
	json_object *item = json_object_new_object();

	add_address(item, "bind", &port->bind);
	add_number(item, "host", port->host);
	add_number(item, "guest", port->guest);
	return item;
}

char *keeper_config_format(const struct keeper_config *config)
{
	json_object *root = json_object_new_object();
	json_object *grants = json_object_new_array();
	json_object *ports = json_object_new_array();
	char *text;

	add_number(root, "owner", config->owner);
	add_address(root, "guest", &config->guest);
	add_address(root, "gateway", &config->gateway);
	add_address(root, "control", &config->control);
	for (size_t i = 0; i < config->grant_count; i++)
		json_object_array_add(grants, format_grant(&config->grants[i]));
	for (size_t i = 0; i < config->port_count; i++)
		json_object_array_add(ports, format_port(&config->ports[i]));
	json_object_object_add(root, "grants", grants);
	json_object_object_add(root, "ports", ports);
	text = text_format("%s\n",
			   json_object_to_json_string_ext(root, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
	return text;
}

static bool get_number(json_object *root, const char *key, uint64_t min, uint64_t max,
		       uint64_t *ret_number)
{
	json_object *member;
	int64_t number;

	if (!json_object_object_get_ex(root, key, &member) ||
	    !json_object_is_type(member, json_type_int))
		return false;
	number = json_object_get_int64(member);
	if (number < 0 || (uint64_t)number < min || (uint64_t)number > max)
		return false;
	*ret_number = (uint64_t)number;
	return true;
}

static bool get_port(json_object *root, const char *key, uint16_t *ret_port)
{
	uint64_t number;

	if (!get_number(root, key, 1, UINT16_MAX, &number))
		return false;
	*ret_port = (uint16_t)number;
	return true;
}

static bool get_address(json_object *root, const char *key, struct address *ret_address)
{
	json_object *member;

	return json_object_object_get_ex(root, key, &member) &&
	       json_object_is_type(member, json_type_string) &&
	       parse_address(json_object_get_string(member), ret_address) == 0;
}

static bool parse_grant(json_object *item, struct keeper_config *config)
{
	struct keeper_grant *grant = &config->grants[config->grant_count];
	json_object *protocol;

	if (config->grant_count == ARRAY_SIZE(config->grants) ||
	    !json_object_object_get_ex(item, "protocol", &protocol) ||
	    !get_port(item, "port", &grant->port))
		return false;
	if (text_equal(json_object_get_string(protocol), "tcp"))
		grant->protocol = IPPROTO_TCP;
	else if (text_equal(json_object_get_string(protocol), "udp"))
		grant->protocol = IPPROTO_UDP;
	else
		return false;
	config->grant_count++;
	return true;
}

static bool parse_forward(json_object *item, struct keeper_config *config)
{
	struct policy_port *port = &config->ports[config->port_count];

	if (config->port_count == ARRAY_SIZE(config->ports) ||
	    !get_address(item, "bind", &port->bind) || !get_port(item, "host", &port->host) ||
	    !get_port(item, "guest", &port->guest))
		return false;
	config->port_count++;
	return true;
}

static bool parse_list(json_object *root, const char *key, struct keeper_config *config,
		       bool (*parse_item)(json_object *item, struct keeper_config *config))
{
	json_object *list;

	if (!json_object_object_get_ex(root, key, &list) ||
	    !json_object_is_type(list, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (!parse_item(json_object_array_get_idx(list, i), config))
			return false;
	return true;
}

int keeper_config_parse(const char *text, struct keeper_config *ret_config, struct error *err)
{
	struct keeper_config config = {0};
	json_object *root = json_tokener_parse(text);
	uint64_t owner = 0;
	bool good = json_object_is_type(root, json_type_object) &&
		    get_number(root, "owner", 0, (uid_t)-1 - UINT64_C(1), &owner) &&
		    get_address(root, "guest", &config.guest) &&
		    get_address(root, "gateway", &config.gateway) &&
		    get_address(root, "control", &config.control) &&
		    parse_list(root, "grants", &config, parse_grant) &&
		    parse_list(root, "ports", &config, parse_forward);

	json_object_put(root);
	if (!good)
		return error_set(err, EX_DATAERR,
				 KEEPER_CONFIG_FILE " is not as the hook writes it");
	config.owner = (uid_t)owner;
	*ret_config = config;
	return 0;
}
