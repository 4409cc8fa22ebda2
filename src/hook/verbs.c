/*
 * The table of verbs. A verb takes a sandbox's name and no path or rule comes from the caller; what
 * more one takes on stdin is of a grammar of its own, read whole before anything is locked. Whose
 * the sandbox is stands in the record that root wrote when it started.
 */
#include "hook/verbs.h"

#include <json-c/json.h>

#include "base/file.h"
#include "base/text.h"
#include "base/version.h"
#include "hook/apply.h"
#include "hook/keeper.h"
#include "hook/logs.h"
#include "hook/network_log.h"
#include "hook/protocol.h"
#include "hook/sandbox_dir.h"
#include "hook/share_stage.h"
#include "hook/share_verbs.h"
#include "hook/ttl.h"
#include "hook/tunnel_stage.h"
#include "hook/tunnel_verbs.h"
#include "network/cut.h"
#include "network/gateway.h"

#define CONSOLE_MAX (256 * 1024) /* bytes; the answer has two characters for each */

static void add_json(json_object *document, struct strbuf *output)
{
	strbuf_addf(output, "%s\n",
		    json_object_to_json_string_ext(document, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(document);
}

static void add_lines(json_object *list, const struct lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		json_object_array_add(list, json_object_new_string(lines->items[i]));
}

/* Prints what differs from what the hook made, as a list of lines; empty: nothing. */
static int verify(const struct verb_args *args, struct strbuf *output, struct error *err)
{
	const char *name = args->name;
	_cleanup_free_ char *directory = sandbox_directory(name);
	_cleanup_record_ struct record record = {0};
	_cleanup_drift_ struct drift drift = {0};
	bool is_cut = false;
	json_object *list;

	if (record_load(name, &record, err) < 0 ||
	    gateway_verify(name, directory, &drift, err) < 0 ||
	    share_stage_verify(name, record.owner, &drift, err) < 0 ||
	    gateway_is_cut(name, &is_cut, err) < 0)
		return -1;
	if (record.ends && !ttl_is_running(name))
		lines_add(&drift.services, "nothing halts it when its ttl is over");
	if (is_cut)
		lines_add(&drift.services, "the network is cut off (panic)");
	if (!keeper_is_running(name))
		lines_add(&drift.services, "the keeper is not running");
	list = json_object_new_array();
	add_lines(list, &drift.isolation);
	add_lines(list, &drift.host);
	add_lines(list, &drift.services);
	add_json(list, output);
	return 0;
}

/* Prints the rules as the kernel has them. */
static int rules(const struct verb_args *args, struct strbuf *output, struct error *err)
{
	const char *name = args->name;
	_cleanup_free_ char *text = NULL;
	json_object *document;

	if (gateway_rules(name, &text, err) < 0)
		return -1;
	document = json_object_new_object();
	json_object_object_add(document, "name", json_object_new_string(name));
	json_object_object_add(document, "rules", json_object_new_string(text));
	add_json(document, output);
	return 0;
}

/* Removes what a sandbox that no longer runs has left. */
static int cleanup(const struct verb_args *args, struct strbuf *output, struct error *err)
{
	const char *name = args->name;
	_cleanup_free_ char *directory = sandbox_directory(name);
	json_object *document, *left = NULL;
	bool in_use = false;

	if (gateway_in_use(name, &in_use, err) < 0)
		return -1;
	if (in_use)
		return error_set(err, EXIT_STATE, "%s still runs", name);
	if (share_verb_clear(args, &left, err) < 0)
		return -1;
	tunnel_stage_clear(name);
	if (keeper_end(name, err) < 0 || gateway_remove(name, directory, err) < 0 ||
	    sandbox_directory_remove(name, err) < 0 || logs_remove(name, err) < 0 ||
	    network_log_remove(name, err) < 0) {
		json_object_put(left);
		return -1;
	}
	document = json_object_new_object();
	json_object_object_add(document, "name", json_object_new_string(name));
	json_object_object_add(document, "removed", json_object_new_boolean(true));
	json_object_object_add(document, "left", left);
	add_json(document, output);
	return 0;
}

/* As text it is safe in JSON, whatever the guest has printed: bytes that are not ASCII are escaped.
 */
static int console(const struct verb_args *args, struct strbuf *output, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_free_ char *hex = NULL;
	json_object *document;

	if (logs_console(args->name, CONSOLE_MAX, &text, err) < 0)
		return -1;
	hex = text_hex(strbuf_text(&text), text.length);
	document = json_object_new_object();
	json_object_object_add(document, "name", json_object_new_string(args->name));
	json_object_object_add(document, "console", json_object_new_string(hex));
	add_json(document, output);
	return 0;
}

static int version(const struct verb_args *args, struct strbuf *output, struct error *err)
{
	json_object *document = json_object_new_object();

	(void)args;
	(void)err;
	json_object_object_add(document, "version", json_object_new_string(MIGRANT_VERSION));
	add_json(document, output);
	return 0;
}

/* Puts another policy into force. */
static int apply(const struct verb_args *args, struct strbuf *output, struct error *err)
{
	_cleanup_strbuf_ struct strbuf policy = STRBUF_INIT;
	json_object *document;

	if (apply_policy(args->name, args->input, args->length, &policy, err) < 0)
		return -1;
	document = json_object_new_object();
	json_object_object_add(document, "name", json_object_new_string(args->name));
	json_object_object_add(document, "policy", json_object_new_string(strbuf_text(&policy)));
	add_json(document, output);
	return 0;
}

static int report_cut(const char *name, bool is_cut, struct strbuf *output)
{
	json_object *document = json_object_new_object();

	json_object_object_add(document, "name", json_object_new_string(name));
	json_object_object_add(document, "cut", json_object_new_boolean(is_cut));
	add_json(document, output);
	return 0;
}

/* Nothing passes the gateway any more. */
static int cut(const struct verb_args *args, struct strbuf *output, struct error *err)
{
	if (gateway_cut(args->name, err) < 0)
		return -1;
	return report_cut(args->name, true, output);
}

/* What the policy allows passes again. */
static int join(const struct verb_args *args, struct strbuf *output, struct error *err)
{
	if (gateway_join(args->name, err) < 0)
		return -1;
	return report_cut(args->name, false, output);
}

enum verb_needs {
	NO_NAME = 0,
	NAME = 1 << 0,
	RECORD = 1 << 1, /* without one, nobody's leftovers are anybody's to clear */
	INPUT = 1 << 2,
	KNOWN = 1 << 3, /* not without somebody whose it is */
};

static const struct verb {
	const char *name;
	unsigned int needs;
	int (*run)(const struct verb_args *args, struct strbuf *output, struct error *err);
} verbs[] = {
	{"verify", NAME | RECORD, verify},
	{"rules", NAME | RECORD, rules},
	{"apply", NAME | RECORD | INPUT, apply},
	{"cut", NAME | RECORD, cut},
	{"join", NAME | RECORD, join},
	{"cleanup", NAME, cleanup},
	{"console", NAME | KNOWN, console},
	{"stage", NAME | INPUT, tunnel_verb_stage},
	{"wg", NAME | RECORD, tunnel_verb_wg},
	{"version", NO_NAME, version},
	/* of shares; the name of share-delete and share-adopt is an image's */
	{"mount", NAME | INPUT, share_verb_mount},
	{"unmount", NAME, share_verb_unmount},
	{"share-grow", NAME | INPUT, share_verb_grow},
	{"share-list", NO_NAME, share_verb_list},
	{"share-delete", NAME, share_verb_delete},
	{"share-adopt", NAME | INPUT, share_verb_adopt},
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (text_equal(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

/* What a sandbox has left without a record is its log's owner's to clear, or anybody's. */
static int check_log_owner(const struct verb *verb, const char *name, uid_t caller,
			   struct error *err)
{
	bool found = false;
	uid_t owner = 0;

	if (network_log_owner(name, &owner, &found, err) < 0)
		return -1;
	if (!found && verb->needs & KNOWN)
		return error_set(err, EXIT_STATE, "nothing is known of %s", name);
	if (found && caller != 0 && caller != owner)
		return error_set(err, EX_NOPERM, "%s belongs to another user", name);
	return 0;
}

static int check_owner(const struct verb *verb, const char *name, uid_t caller, struct error *err)
{
	_cleanup_error_ struct error loading = ERROR_INIT;
	_cleanup_record_ struct record record = {0};

	if (record_load(name, &record, &loading) < 0) {
		if (loading.code == EX_NOINPUT && verb->needs & RECORD)
			return error_set(err, EXIT_STATE, "%s does not run", name);
		if (loading.code == EX_NOINPUT)
			return check_log_owner(verb, name, caller, err);
		error_move(err, &loading);
		return -1;
	}
	if (caller != 0 && caller != record.owner)
		return error_set(err, EX_NOPERM, "%s belongs to another user", name);
	return 0;
}

static int run_locked(const struct verb *verb, const struct verb_args *args, uid_t caller,
		      struct strbuf *output, struct error *err)
{
	_cleanup_close_ int lock = -1;
	int result;

	if (sandbox_lock(&lock, err) < 0)
		return -1;
	result = check_owner(verb, args->name, caller, err);
	if (result == 0)
		result = verb->run(args, output, err);
	sandbox_directory_sweep();
	tunnel_stage_sweep();
	return result;
}

int verb_run(const struct verb_call *call, struct strbuf *output, struct error *err)
{
	const struct verb *verb = find_verb(call->verb);
	struct verb_args args = {.name = call->name, .caller = call->caller};
	_cleanup_free_ char *input = NULL;
	int result;

	if (!verb)
		return error_set(err, EX_USAGE, "unknown verb %.64s", call->verb);
	if (((verb->needs & NAME) != 0) != (call->name != NULL))
		return error_set(err, EX_USAGE, "%s takes %s", verb->name,
				 verb->needs & NAME ? "the name of a sandbox" : "no operand");
	if (!call->name)
		return verb->run(&args, output, err);
	if (!name_is_valid(call->name))
		return error_set(err, EX_USAGE, "%.64s is no sandbox name", call->name);
	/* Before the lock, which nobody may hold who waits for somebody else. */
	if (verb->needs & INPUT &&
	    file_read_fd(call->input, HELPER_INPUT_MAX, &input, &args.length, err) < 0)
		return error_prefix(err, "what to %s", verb->name);
	args.input = input;
	result = run_locked(verb, &args, call->caller, output, err);
	if (input)
		explicit_bzero(input, args.length); /* it may have been keys */
	return result;
}
