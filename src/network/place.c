/*
 * What `prepare` and a later change of the policy have to do alike, so that both make the same
 * gateway of the same policy.
 */
#include "network/place.h"

#include <fcntl.h>
#include <json-c/json.h>

#include "base/file.h"
#include "base/text.h"
#include "network/dnsmasq.h"
#include "network/resolver.h"

#define PLACE_MAX 4096

void place_done(struct place *place)
{
	surroundings_done(&place->host);
}

int place_store(const struct place *place, const char *directory, struct error *err)
{
	_cleanup_free_ char *path = text_format("%s/place", directory);
	json_object *root = json_object_new_object();
	char pool[PREFIX_TEXT_MAX], block[PREFIX_TEXT_MAX];
	const char *text;
	int result;

	json_object_object_add(root, "pool",
			       json_object_new_string(prefix_format(&place->pool, pool)));
	json_object_object_add(root, "block",
			       json_object_new_string(prefix_format(&place->block, block)));
	text = json_object_to_json_string(root);
	result = file_replace(AT_FDCWD, path, text, strlen(text), 0600, err);
	json_object_put(root);
	return result;
}

static int read_prefix(json_object *root, const char *key, struct prefix *ret_prefix)
{
	json_object *value;

	if (!json_object_object_get_ex(root, key, &value))
		return -1;
	return parse_prefix(json_object_get_string(value), ret_prefix);
}

int place_load(const char *directory, struct place *place, struct error *err)
{
	_cleanup_free_ char *path = text_format("%s/place", directory);
	_cleanup_free_ char *text = NULL;
	struct prefix pool, block;
	json_object *root;
	bool complete;

	if (file_read(AT_FDCWD, path, PLACE_MAX, &text, NULL, err) < 0)
		return -1;
	root = json_tokener_parse(text);
	complete = root && read_prefix(root, "pool", &pool) == 0 &&
		   read_prefix(root, "block", &block) == 0;
	json_object_put(root);
	if (!complete)
		return error_set(err, EX_SOFTWARE, "%s is damaged", path);
	place->pool = pool;
	place->block = block;
	return 0;
}

static struct rules rules_of(const struct place *place, const struct sandbox *sandbox,
			     const char *tap, const char *tunnel)
{
	return (struct rules){
		.tap = tap,
		.wire = sandbox->wire,
		.policy = sandbox->policy,
		.pool = &place->pool,
		.block = &place->block,
		.host = &place->host,
		.dnsmasq_uid = place->dnsmasq_uid,
		.tunnel_link = tunnel,
		.tunnel = sandbox->tunnel,
	};
}

void place_rules(const struct place *place, const struct sandbox *sandbox, bool wire,
		 struct strbuf *output)
{
	char tap[IFNAMSIZ] = "", tunnel[IFNAMSIZ] = "";
	const struct rules rules = rules_of(place, sandbox, tap, tunnel);

	gateway_link(LINK_TAP, sandbox->uuid, tap);
	gateway_link(TUNNEL_LINK, sandbox->uuid, tunnel);
	rules_gateway(&rules, output);
	if (wire)
		rules_wire(&rules, output);
}

/* The host's, which is never asked for who has a tunnel. */
static int find_resolver(const struct policy *policy, const char **ret_file, struct error *err)
{
	if (!policy->tunnel)
		return resolver_find(policy->ipv6, ret_file, err);
	error_set(err, EX_CONFIG, "the tunnel has no resolver that it reaches");
	return error_hint(err, "name one: `DNS =` in wireguard.conf, or `network: {dns: […]}`");
}

int place_dnsmasq(const struct place *place, const struct sandbox *sandbox, char **ret_text,
		  struct error *err)
{
	_cleanup_prefix_list_ struct prefix_list closed = {0};
	char tap[IFNAMSIZ] = "";
	const struct rules rules = rules_of(place, sandbox, tap, NULL);
	struct address resolvers[RULES_RESOLVERS_MAX];
	struct dnsmasq dnsmasq = {
		.link = tap,
		.user = place->dnsmasq_user,
		.wire = sandbox->wire,
		.policy = sandbox->policy,
		.tunnel = sandbox->tunnel,
		.closed = &closed,
	};

	gateway_link(LINK_TAP, sandbox->uuid, tap);
	rules_closed(&rules, &closed);
	if (sandbox->policy->egress == POLICY_EGRESS_OPEN &&
	    !rules_resolvers(sandbox->policy, sandbox->tunnel, resolvers) &&
	    find_resolver(sandbox->policy, &dnsmasq.resolv_file, err) < 0)
		return -1;
	*ret_text = dnsmasq_config(&dnsmasq);
	return 0;
}
