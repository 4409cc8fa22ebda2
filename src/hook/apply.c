/*
 * The policy of a running guest changes as a whole or not at all. libvirt calls no hook for it, so
 * the user asks through the helper; and since nobody may change whose a sandbox is, or where its
 * wire is, what comes is compared with what root wrote down when it made the gateway.
 *
 * While it is being changed the record names no policy: whatever ends this process then, `status`
 * finds that out, and the next `reload --policy` or `reconnect` makes it whole.
 */
#include "hook/apply.h"

#include <libxml/parser.h>

#include "base/text.h"
#include "hook/keeper.h"
#include "hook/sandbox_dir.h"
#include "hook/tunnel_stage.h"
#include "network/gateway.h"
#include "network/rules.h"
#include "network/uplink.h"
#include "network/wire.h"

int apply_read(const char *xml, size_t length, struct metadata *ret_metadata, struct error *err)
{
	xmlDocPtr document;
	const xmlNode *root;
	int result;

	if (length > HELPER_INPUT_MAX)
		return error_set(err, EX_DATAERR, "the metadata is larger than %d bytes",
				 HELPER_INPUT_MAX);
	document = xmlReadMemory(xml, (int)length, "metadata.xml", NULL,
				 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
					 XML_PARSE_NOCDATA);
	if (!document)
		return error_set(err, EX_DATAERR, "the metadata cannot be read");
	root = metadata_root(document);
	if (!root || document->intSubset)
		result = error_set(err, EX_DATAERR, "this is no sandbox's metadata");
	else
		result = metadata_read(root, ret_metadata, err);
	xmlFreeDoc(document);
	return result;
}

static int check_same(const struct metadata *metadata, const struct record *record,
		      struct error *err)
{
	_cleanup_free_ char *wire = wire_canonical(&metadata->wire);
	_cleanup_free_ char *tunnel = tunnel_stage_facts(metadata);

	if (!record->wire || !record->policy) {
		error_set(err, EXIT_STATE, "%s was started by an older migrant", record->name);
		return error_hint(err, "'migrant halt' and 'migrant up' set it up anew");
	}
	if (!text_equal(tunnel, record->tunnel ? record->tunnel : "")) {
		error_set(err, EXIT_STATE, "%s runs with another tunnel, or none", record->name);
		return error_hint(err, "'migrant halt' and 'migrant up' change it");
	}
	if (text_equal(metadata->name, record->name) && text_equal(metadata->uuid, record->uuid) &&
	    metadata->owner == record->owner &&
	    text_equal(metadata->directory, record->directory) && text_equal(wire, record->wire))
		return 0;
	return error_set(err, EX_NOPERM, "the metadata is of another sandbox than %s",
			 record->name);
}

int apply_parse(const char *xml, size_t length, const struct record *record,
		struct metadata *ret_metadata, struct error *err)
{
	_cleanup_metadata_ struct metadata metadata = {0};

	if (apply_read(xml, length, &metadata, err) < 0 || check_same(&metadata, record, err) < 0)
		return -1;
	*ret_metadata = metadata;
	metadata = (struct metadata){0};
	return 0;
}

/* Should: bring rules, DNS, keeper and the host's side to what @metadata says. */
static int make_real(const struct metadata *metadata, const struct record *record,
		     struct error *err)
{
	_cleanup_free_ char *directory = sandbox_directory(metadata->name);
	struct sandbox sandbox = sandbox_of(metadata, directory);
	_cleanup_tunnel_ struct wireguard *wireguard = NULL;
	struct address control;

	if (parse_address(record->control_address, &control) < 0)
		return error_set(err, EX_SOFTWARE, "the record names no control address");
	if (tunnel_stage_kept(metadata, &wireguard, err) < 0)
		return -1;
	sandbox.wireguard = wireguard;
	if (gateway_apply(&sandbox, err) < 0 || gateway_repair(metadata->name, directory, err) < 0)
		return -1;
	return keeper_restart(metadata, &control, err);
}

/* @policy NULL: it is being changed. */
static int note(const struct record *record, const struct policy *policy, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct record changed = *record;
	char uplink[IFNAMSIZ];
	static char none[] = "";

	gateway_link(LINK_UPLINK, record->uuid, uplink);
	if (policy)
		changed.uplink = uplink_is_needed(policy) ? uplink : none;
	if (policy && sandbox_policy_store(record->name, policy, err) < 0)
		return -1;
	if (policy)
		policy_canonical(policy, &text);
	changed.policy = policy ? text.text : none;
	return sandbox_record_store(&changed, err);
}

static int put_into_force(const struct metadata *metadata, const struct record *record,
			  struct error *err)
{
	if (note(record, NULL, err) < 0 || make_real(metadata, record, err) < 0)
		return -1;
	return note(record, &metadata->policy, err);
}

/* After a failure, which *err tells about. Returns -1. */
static int put_back(struct metadata *metadata, const struct policy *before,
		    const struct record *record, struct error *err)
{
	_cleanup_error_ struct error failure = ERROR_INIT;

	metadata->policy = *before;
	if (put_into_force(metadata, record, &failure) == 0)
		return error_prefix(err, "the policy from before stays in force");
	error_hint(err, "'migrant halt' and 'migrant up' set the sandbox up anew");
	return error_prefix(err, "the policy from before could not be put back (%s)",
			    failure.message);
}

int apply_finish(const struct metadata *metadata, const struct record *record, struct error *err)
{
	struct metadata whole = *metadata; /* borrows the texts */

	if (!record->policy || *record->policy)
		return 0;
	if (check_same(metadata, record, err) < 0 ||
	    sandbox_policy_load(record->name, &whole.policy, err) < 0)
		return -1;
	return put_into_force(&whole, record, err);
}

static int require_running(const char *name, struct error *err)
{
	bool in_use = false;

	if (gateway_in_use(name, &in_use, err) < 0)
		return -1;
	return in_use ? 0 : error_set(err, EXIT_STATE, "%s does not run", name);
}

int apply_policy(const char *name, const char *xml, size_t length, struct strbuf *policy,
		 struct error *err)
{
	_cleanup_metadata_ struct metadata metadata = {0};
	_cleanup_record_ struct record record = {0};
	_cleanup_error_ struct error ignored = ERROR_INIT;
	struct policy before;

	if (record_load(name, &record, err) < 0 || require_running(name, err) < 0 ||
	    apply_parse(xml, length, &record, &metadata, err) < 0 ||
	    sandbox_policy_load(name, &before, err) < 0)
		return -1;
	/* What stands in the way of any policy changes nothing. */
	if (gateway_repair_host(err) < 0)
		return error_prefix(err, "the policy from before stays in force");
	/* From a whole state, or what was half made would count as a difference of another kind. */
	(void)!apply_finish(&metadata, &record, &ignored);
	policy_canonical(&metadata.policy, policy);
	if (put_into_force(&metadata, &record, err) < 0)
		return put_back(&metadata, &before, &record, err);
	return 0;
}
