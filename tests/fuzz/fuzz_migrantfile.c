/*
 * The Migrantfile's parser under any input: it ends, leaks nothing, and either explains itself or
 * returns values that keep the promises of config.h.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "command/policy_from_config.h"
#include "config/config.h"
#include "config/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                           \
	do {                                                         \
		if (!(condition)) {                                  \
			fprintf(stderr, "broken: %s\n", #condition); \
			abort();                                     \
		}                                                    \
	} while (0)

static void check_error(const struct error *err)
{
	REQUIRE(err->code == EX_CONFIG);
	REQUIRE(err->message && *err->message);
	REQUIRE(err->place && text_starts(err->place, "Migrantfile"));
	if (!err->detail) {
		REQUIRE(text_equal(err->place, "Migrantfile"));
		return;
	}
	REQUIRE(strlen(err->detail) < 1024);
	REQUIRE(strchr(err->detail, '\n') && text_ends(err->detail, "^"));
}

static void check_position(struct position position)
{
	REQUIRE(position.line > 0 && position.column > 0);
}

static void check_network(const struct config_network *network)
{
	for (size_t i = 0; i < network->allow_count; i++) {
		const struct config_allow *allow = &network->allow[i];

		check_position(allow->position);
		REQUIRE((allow->kind == ALLOW_HOST) == (allow->address.family == 0));
		REQUIRE(allow->kind == ALLOW_LAN || (allow->port && allow->protocol));
		REQUIRE((allow->kind == ALLOW_FORWARD) == (allow->target_port != 0));
	}
	for (size_t i = 0; i < network->port_count; i++) {
		check_position(network->ports[i].position);
		REQUIRE(network->ports[i].bind.family && network->ports[i].host &&
			network->ports[i].guest);
	}
	for (size_t i = 0; i < network->domain_count; i++)
		REQUIRE(network->domains[i][0] && !strpbrk(network->domains[i], " \n/*"));
	for (size_t i = 0; i < network->dns_count; i++)
		REQUIRE(network->dns[i].family);
	REQUIRE(network->limit_connections && network->limit_new_per_second &&
		network->limit_dns_per_second);
}

/* What the file may say, the root side takes, when there is the tunnel that it may rely on. */
static void check_policy(const struct config *config)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct policy policy;

	policy_from_config(config, NULL, &policy);
	policy.tunnel = policy.ipv6 = true;
	if (policy_validate(&policy, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		abort();
	}
}

static void check_config(const struct config *config)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	REQUIRE(name_is_valid(config->name));
	REQUIRE(config->box && config->user && config->cpus && config->memory && config->disk);
	for (size_t i = 0; i < config->share_count; i++) {
		const struct config_share *share = &config->shares[i];

		REQUIRE(share->host[0] != '/' && !text_starts(share->host, "../") &&
			!strstr(share->host, "/../"));
		REQUIRE(share->guest[0] == '/' && share->size);
		check_position(share->host_position);
	}
	for (size_t i = 0; i < config->provision_count; i++) {
		REQUIRE(config->provision[i].file);
		check_position(config->provision[i].position);
	}
	check_network(&config->network);
	check_policy(config);
	if (config_require_built(config, &err) < 0)
		check_error(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_config_ struct config config = {0};

	if (config_parse("/home/user/project", "Migrantfile", (const char *)data, size, &config,
			 &err) < 0) {
		check_error(&err);
		REQUIRE(!config.name);
	} else {
		check_config(&config);
	}
	return 0;
}
