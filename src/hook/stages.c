/*
 * The stages. libvirt calls `prepare` before it opens the tap, `start` before QEMU runs,
 * `reconnect` for every running domain when the daemon comes back, `stopped` and `release` at the
 * end, the last two also after a `prepare` that failed. Only `release` takes anything away: until
 * then QEMU may still be sending.
 *
 * A failing stage is an error to libvirt in `prepare`, `start` and `reconnect` (which ends the
 * guest), and only a line in its log elsewhere.
 */
#include "hook/stages.h"

#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "base/version.h"
#include "hook/apply.h"
#include "hook/keeper.h"
#include "hook/request.h"
#include "hook/sandbox_dir.h"
#include "hook/share_stage.h"
#include "hook/ttl.h"
#include "hook/tunnel_stage.h"
#include "network/gateway.h"
#include "network/uplink.h"
#include "network/wire.h"

static int write_record(const struct metadata *metadata, struct gateway *gateway, struct error *err)
{
	static char version[] = MIGRANT_VERSION;
	char address[ADDRESS_TEXT_MAX];
	_cleanup_free_ char *started = NULL, *ends = NULL;
	time_t now = time(NULL);
	_cleanup_free_ char *wire = wire_canonical(&metadata->wire);
	_cleanup_free_ char *tunnel = tunnel_stage_facts(metadata);
	static char none[] = "";
	_cleanup_strbuf_ struct strbuf policy = STRBUF_INIT;
	struct record record = {
		.name = metadata->name,
		.uuid = metadata->uuid,
		.owner = metadata->owner,
		.directory = metadata->directory,
		.hook_version = version,
		.netns = gateway->netns,
		.tap = gateway->tap,
		.control_address = address_format(&gateway->control_address, address),
		.uplink = uplink_is_needed(&metadata->policy) ? gateway->uplink : none,
		.wire = wire,
		.tunnel = *tunnel ? tunnel : NULL,
	};

	policy_canonical(&metadata->policy, &policy);
	record.policy = policy.text;
	if (clock_text(now, &started, err) < 0 ||
	    clock_text(now + (time_t)metadata->ttl, &ends, err) < 0)
		return -1;
	record.started = started;
	record.ends = metadata->ttl ? ends : NULL;
	return sandbox_record_store(&record, err);
}

static int remove_all(const char *name, struct error *err)
{
	_cleanup_free_ char *directory = sandbox_directory(name);
	_cleanup_error_ struct error unmounting = ERROR_INIT;
	int unmounted = share_stage_release(name, &unmounting);

	/* First, for its sockets would keep the namespace. */
	if (keeper_end(name, err) < 0 || ttl_end(name, err) < 0 ||
	    gateway_remove(name, directory, err) < 0)
		return -1;
	if (unmounted == 0)
		return sandbox_directory_remove(name, err);
	error_move(err, &unmounting);
	return -1;
}

static int make_all(const struct metadata *metadata, const struct wireguard *wireguard,
		    struct error *err)
{
	_cleanup_free_ char *directory = sandbox_directory(metadata->name);
	struct sandbox sandbox = sandbox_of(metadata, directory);
	struct gateway gateway;

	sandbox.wireguard = wireguard;
	if (sandbox_directory_make(metadata->name, err) < 0 ||
	    tunnel_stage_keep(metadata->name, wireguard, err) < 0 ||
	    gateway_prepare(&sandbox, &gateway, err) < 0 || share_stage_make(metadata, err) < 0 ||
	    keeper_start(metadata, &gateway.control_address, err) < 0 ||
	    ttl_start(metadata, err) < 0 ||
	    sandbox_policy_store(metadata->name, &metadata->policy, err) < 0)
		return -1;
	return write_record(metadata, &gateway, err);
}

/* Should: make the whole gateway, or nothing. Must not: touch a sandbox that runs. */
static int prepare(const struct request *request, struct error *err)
{
	const char *name = request->metadata.name;
	_cleanup_tunnel_ struct wireguard *wireguard = NULL;
	_cleanup_error_ struct error undo = ERROR_INIT;
	bool in_use = false;

	if (gateway_in_use(name, &in_use, err) < 0)
		return -1;
	if (in_use)
		return error_set(err, EX_TEMPFAIL, "a guest still runs on the gateway of %s", name);
	if (tunnel_stage_take(&request->metadata, &wireguard, err) < 0)
		return -1;
	if (remove_all(name, err) < 0)
		return error_prefix(err, "cannot clear what is left of %s", name);
	if (make_all(&request->metadata, wireguard, err) == 0)
		return 0;
	(void)!remove_all(name, &undo); /* the first error is the one to tell */
	return -1;
}

/* Should: put the wire where it is watched. Must not: go on with another domain's gateway. */
static int start(const struct request *request, struct error *err)
{
	const struct metadata *metadata = &request->metadata;
	_cleanup_free_ char *directory = sandbox_directory(metadata->name);
	const struct sandbox sandbox = sandbox_of(metadata, directory);
	_cleanup_record_ struct record record = {0};

	if (record_load(metadata->name, &record, err) < 0)
		return -1;
	if (!text_equal(record.uuid, metadata->uuid))
		return error_set(err, EX_SOFTWARE, "the gateway of %s is another domain's",
				 metadata->name);
	/* Only by now the XML says as whom QEMU will run. */
	if (frozen_protect(&request->frozen, err) < 0 || share_stage_check(metadata, err) < 0)
		return -1;
	return gateway_start(&sandbox, err);
}

/* No guest is ended because its keeper does not start (a port may be taken): `status` tells. */
static void repair_keeper(const char *name)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (keeper_repair(name, &err) < 0)
		hook_error_print(&err);
}

/* Should: see once more, now that nobody can change it unseen, that the guest got what it was
 * promised. */
static int started(const struct request *request, struct error *err)
{
	return share_stage_check(&request->metadata, err);
}

/* Whoever was changing the policy has died. Where it cannot be made whole, the comparison decides.
 */
static void finish_apply(const struct request *request, const struct record *record)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (apply_finish(&request->metadata, record, &err) < 0)
		hook_error_print(&err);
}

/* One that has gone let nothing out. Where it cannot be made again, the comparison decides. */
static void repair_tunnel(const struct metadata *metadata, const char *directory)
{
	_cleanup_tunnel_ struct wireguard *wireguard = NULL;
	struct sandbox sandbox = sandbox_of(metadata, directory);
	_cleanup_error_ struct error err = ERROR_INIT;

	if (tunnel_stage_kept(metadata, &wireguard, &err) == 0) {
		sandbox.wireguard = wireguard;
		if (gateway_repair_tunnel(&sandbox, &err) == 0)
			return;
	}
	hook_error_print(&err);
}

/* Should: end a guest whose isolation is not what it was; repair the rest. */
static int reconnect(const struct request *request, struct error *err)
{
	const char *name = request->metadata.name;
	_cleanup_free_ char *directory = sandbox_directory(name);
	_cleanup_record_ struct record record = {0};
	_cleanup_drift_ struct drift drift = {0};

	if (record_load(name, &record, err) < 0)
		return -1;
	finish_apply(request, &record);
	repair_tunnel(&request->metadata, directory);
	if (gateway_verify(name, directory, &drift, err) < 0)
		return -1;
	if (drift.isolation.count)
		return error_set(err, EX_SOFTWARE, "the gateway of %s is not what it was: %s", name,
				 drift.isolation.items[0]);
	if (share_stage_check(&request->metadata, err) < 0)
		return -1;
	if (gateway_repair(name, directory, err) < 0)
		return -1;
	repair_keeper(name);
	return 0;
}

static int refuse(const struct request *request, struct error *err)
{
	return error_set(err, EX_SOFTWARE, "%s is not supported for sandboxes", request->operation);
}

static int nothing(const struct request *request, struct error *err)
{
	(void)request;
	(void)err;
	return 0;
}

/* Should: leave nothing. Must not: need the XML, which may be broken or missing. */
static int release(const char *name, struct error *err)
{
	_cleanup_error_ struct error none = ERROR_INIT;
	_cleanup_record_ struct record record = {0};

	/* After a run, what is there is for the next one; here is the end of a start that failed.
	 */
	if (record_load(name, &record, &none) < 0)
		tunnel_stage_clear(name);
	return remove_all(name, err);
}

static const struct stage {
	const char *operation;
	int (*run)(const struct request *request, struct error *err);
	int (*run_by_name)(const char *name, struct error *err); /* instead, without the XML */
} stages[] = {
	{"prepare", prepare, NULL}, {"start", start, NULL},	{"started", started, NULL},
	{"stopped", NULL, NULL},    {"release", NULL, release}, {"reconnect", reconnect, NULL},
	{"restore", nothing, NULL}, /* the XML is checked; `prepare` follows */
	{"migrate", refuse, NULL},  {"attach", refuse, NULL},
};

/* What is not in the table: a beginning is refused, an end has nothing to stop any more. */
static const struct stage unknown_begin = {"", refuse, NULL};
static const struct stage unknown_end = {"", NULL, NULL};

static const struct stage *find_stage(const char *operation, const char *phase)
{
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++)
		if (text_equal(stages[i].operation, operation))
			return &stages[i];
	return text_equal(phase, "begin") ? &unknown_begin : &unknown_end;
}

static int run_locked(const struct stage *stage, const struct request *request, const char *name,
		      struct error *err)
{
	_cleanup_close_ int lock = -1;
	int result;

	if (sandbox_lock(&lock, err) < 0)
		return -1;
	result = stage->run_by_name ? stage->run_by_name(name, err) : stage->run(request, err);
	sandbox_directory_sweep();
	tunnel_stage_sweep();
	return result;
}

int stage_run(const char *domain, const char *operation, const char *phase, int input,
	      struct error *err)
{
	const struct stage *stage = find_stage(operation, phase);
	_cleanup_request_ struct request request = {0};
	_cleanup_free_ char *xml = NULL;
	size_t length = 0;

	if (stage->run_by_name) {
		const char *name = request_sandbox(domain);

		return name ? run_locked(stage, NULL, name, err) : 0;
	}
	if (!stage->run)
		return 0;
	if (file_read_fd(input, DOMAIN_READ_MAX, &xml, &length, err) < 0)
		return error_prefix(err, "the domain's XML");
	if (request_parse(domain, xml, length, &request, err) < 0)
		return -1;
	if (!request.ours)
		return 0;
	request.operation = operation;
	request.phase = phase;
	return run_locked(stage, &request, NULL, err);
}
