/* `migrant port`: which ports of the guest the host shows, and where. */
#include <stdio.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "command/named.h"
#include "command/policy_from_config.h"
#include "command/policy_state.h"
#include "command/print.h"

/* Of what runs, what is in force; else what the Migrantfile says. */
static int find_policy(const struct project *project, struct policy *ret_policy, struct error *err)
{
	_cleanup_record_ struct record record = {0};

	if (!policy_is_in_force(project)) {
		if (project->has_file)
			policy_from_config(&project->config, NULL, ret_policy);
		else
			*ret_policy = project->domain.definition.metadata.policy;
		return 0;
	}
	if (record_load(project->config.name, &record, err) < 0) {
		err->code = EX_SOFTWARE;
		return error_prefix(err, "the running sandbox has no gateway");
	}
	return policy_in_force(&record, ret_policy, err);
}

/* "127.0.0.1:8080", for programs that want to connect. */
static void print_place(const struct policy_port *port)
{
	char address[ADDRESS_TEXT_MAX];
	bool is_ipv6;

	address_format(&port->bind, address);
	is_ipv6 = strchr(address, ':');
	printf("%s%s%s:%u\n", is_ipv6 ? "[" : "", address, is_ipv6 ? "]" : "", port->host);
}

static int print_one(const struct policy *policy, uint16_t guest, struct error *err)
{
	for (size_t i = 0; i < policy->port_count; i++) {
		if (policy->ports[i].guest == guest) {
			print_place(&policy->ports[i]);
			return 0;
		}
	}
	error_set(err, EXIT_STATE, "port %u of the guest is not published", guest);
	return error_hint(err,
			  "`ports:` in the Migrantfile's network and 'migrant reload --policy' "
			  "publish it; 'migrant tunnel %u' shows it to you for a while",
			  guest);
}

static void print_all(const struct policy *policy)
{
	json_object *list = policy_ports_json(policy);

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		_cleanup_free_ char *line = policy_port_line(json_object_array_get_idx(list, i));

		puts(line);
	}
	if (!policy->port_count)
		log_info("no port of the guest is published");
	json_object_put(list);
}

static void print_json(const struct policy *policy)
{
	json_object *list = policy_ports_json(policy);

	json_print(list);
	json_object_put(list);
}

/* What follows the name, or 0. */
static int read_port(const struct invocation *invocation, uint16_t *ret_port, struct error *err)
{
	const int names = named_sandbox(invocation) ? 1 : 0;
	const char *text = invocation->argc > names ? invocation->argv[names] : NULL;

	if (text && parse_port(text, ret_port) < 0)
		return error_set(err, EX_USAGE, "'%s' is no port", text);
	if (invocation->argc > names + 1)
		return error_set(err, EX_USAGE, "'migrant port' does not take '%s'",
				 invocation->argv[names + 1]);
	return 0;
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	struct policy policy = {0};
	uint16_t guest = 0;

	if (read_port(invocation, &guest, err) < 0)
		return -1;
	if (guest && option_flag(invocation, "json"))
		return error_set(err, EX_USAGE, "--json lists all ports: it takes none");
	if (project_open(&project, invocation, err) < 0 || find_policy(&project, &policy, err) < 0)
		return -1;
	if (guest)
		return print_one(&policy, guest, err);
	if (option_flag(invocation, "json"))
		print_json(&policy);
	else
		print_all(&policy);
	return 0;
}

static const struct option options[] = {
	{0, "json", OPTION_FLAG, NULL, "print one JSON document"},
	{0},
};

const struct command command_port = {
	.name = "port",
	.group = "access",
	.operands = "[NAME] [PORT]",
	.summary = "list the ports of the guest that the host shows",
	.details =
		"With a port of the guest, prints where on the host it is. A number is a port, not "
		"a name.\n"
		"\n"
		"  curl http://$(migrant port 80)/\n",
	.options = options,
	.operands_max = 2,
	.takes_name = true,
	.takes_ports = true,
	.run = run,
};
