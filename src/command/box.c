/* `migrant box …`: the images that sandboxes are made from. */
#include "command/command.h"

#include <stdio.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "box/build.h"
#include "box/fetch.h"
#include "box/installed.h"
#include "box/prune.h"
#include "box/publish.h"
#include "command/box_show.h"
#include "domain/libvirt.h"

struct session {
	virConnectPtr connection;
	virStoragePoolPtr pool;
};

static void session_done(struct session *session)
{
	cleanup_pool(&session->pool);
	cleanup_connection(&session->connection);
}
#define _cleanup_session_ _cleanup_(session_done)

static int session_open(struct session *session, struct error *err)
{
	if (libvirt_connect(&session->connection, err) < 0)
		return -1;
	return pool_open(session->connection, &session->pool, err);
}

static int run_list(const struct invocation *invocation, struct error *err)
{
	_cleanup_session_ struct session session = {0};
	_cleanup_box_list_ struct box_list installed = {0};

	if (session_open(&session, err) < 0 || box_list_load(session.pool, &installed, err) < 0)
		return -1;
	return box_show_list(&installed, option_flag(invocation, "json"), err);
}

static int run_info(const struct invocation *invocation, struct error *err)
{
	_cleanup_session_ struct session session = {0};
	_cleanup_description_ struct description description = {0};
	_cleanup_error_ struct error unknown = ERROR_INIT;
	_cleanup_box_list_ struct box_list installed = {0};
	_cleanup_list_ char **users = NULL;
	const char *name = invocation->argv[0];
	bool known = description_load(name, &description, &unknown) == 0;
	const struct box *box;

	if (!known && unknown.code != EX_NOINPUT) {
		error_move(err, &unknown);
		return -1;
	}
	if (session_open(&session, err) < 0 || box_list_load(session.pool, &installed, err) < 0)
		return -1;
	box = box_list_find(&installed, known ? description.name : name);
	if (!box && !known) {
		error_move(err, &unknown);
		return -1;
	}
	if (box && box_users(session.connection, session.pool, box->digest, &users, err) < 0)
		return -1;
	box_show_info(known ? &description : NULL, box, users, option_flag(invocation, "json"));
	return 0;
}

static void say_installed(const struct box *box)
{
	log_step("box %s is installed (%llu MiB, sha256:%.12s…)", box->name,
		 (unsigned long long)(box->stored_size >> 20), box->digest);
}

/* True, with a line, when the box is there already and nobody asked for it anew. */
static bool is_there(virStoragePoolPtr pool, const char *name, bool force)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_box_ struct box box = {0};

	if (force || box_load(pool, name, &box, &ignored) < 0)
		return false;
	log_info("box %s is installed already; -f installs it anew", box.name);
	return true;
}

static int run_build(const struct invocation *invocation, struct error *err)
{
	_cleanup_session_ struct session session = {0};
	_cleanup_description_ struct description description = {0};
	_cleanup_box_ struct box box = {0};
	bool force = option_flag(invocation, "force");

	if (description_load(invocation->argv[0], &description, err) < 0)
		return -1;
	if (!description.suite) {
		error_set(err, EX_USAGE, "the box '%s' is not built, but fetched",
			  description.name);
		return error_hint(err, "run: migrant box add %s", invocation->argv[0]);
	}
	interrupt_catch();
	if (session_open(&session, err) < 0)
		return -1;
	if (is_there(session.pool, invocation->argv[0], force))
		return 0;
	log_step("building the box %s", description.name);
	/* what is there but damaged is replaced, too */
	if (box_build(session.pool, &description, true, &box, err) < 0)
		return -1;
	say_installed(&box);
	return 0;
}

static int fill_request(const struct invocation *invocation, struct fetch *fetch, struct error *err)
{
	const char *format = option_text(invocation, "format");

	fetch->checksum = option_text(invocation, "checksum");
	fetch->name = option_text(invocation, "name");
	fetch->firmware = option_text(invocation, "firmware");
	fetch->replace = option_flag(invocation, "force");
	if (format && !text_equal(format, "qcow2") && !text_equal(format, "raw"))
		return error_set(err, EX_USAGE, "--format is qcow2 or raw, not '%s'", format);
	if (fetch->firmware && !text_equal(fetch->firmware, "bios") &&
	    !text_equal(fetch->firmware, "uefi"))
		return error_set(err, EX_USAGE, "--firmware is bios or uefi, not '%s'",
				 fetch->firmware);
	fetch->format = text_equal(format, "raw") ? IMAGE_RAW : IMAGE_QCOW2;
	return 0;
}

static int run_add(const struct invocation *invocation, struct error *err)
{
	_cleanup_session_ struct session session = {0};
	_cleanup_fetch_ struct fetch fetch = {0};
	_cleanup_box_ struct box box = {0};

	if (fill_request(invocation, &fetch, err) < 0 ||
	    fetch_resolve(&fetch, invocation->argv[0], err) < 0)
		return -1;
	interrupt_catch();
	if (session_open(&session, err) < 0)
		return -1;
	if (fetch.described && is_there(session.pool, fetch.name, fetch.replace))
		return 0;
	log_step("adding the box %s", fetch.name);
	if (box_fetch(session.pool, &fetch, &box, err) < 0)
		return -1;
	say_installed(&box);
	return 0;
}

static int refuse_used(const struct box *box, char *const *users, struct error *err)
{
	_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;

	for (; *users; users++)
		strbuf_addf(&names, "%s%s", names.length ? ", " : "", *users);
	error_set(err, EXIT_STATE, "the box '%s' is in use by %s", box->name, strbuf_text(&names));
	return error_hint(err, "migrant destroy, in the project's directory, frees it");
}

static int run_remove(const struct invocation *invocation, struct error *err)
{
	_cleanup_session_ struct session session = {0};
	_cleanup_box_list_ struct box_list installed = {0};
	_cleanup_list_ char **users = NULL;
	_cleanup_close_ int lock = -1;
	const struct box *box;

	interrupt_catch();
	if (session_open(&session, err) < 0 || (lock = box_lock(err)) < 0 ||
	    box_list_load(session.pool, &installed, err) < 0)
		return -1;
	box = box_list_find(&installed, invocation->argv[0]);
	if (!box) {
		log_info("no box '%s' is installed", invocation->argv[0]);
		return 0;
	}
	if (box_users(session.connection, session.pool, box->digest, &users, err) < 0)
		return -1;
	if (users[0])
		return refuse_used(box, users, err);
	if (box_unpublish(session.connection, session.pool, box, err) < 0)
		return -1;
	log_step("box %s is removed", box->name);
	return 0;
}

/* Asks on a terminal; without one and without -f nobody could have meant it. */
static int confirm(const char *question, bool *ret_yes, struct error *err)
{
	char answer[16] = "";

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		error_set(err, EX_USAGE, "there is no terminal to ask on");
		return error_hint(err, "-f does it without asking");
	}
	fprintf(stderr, "%s [y/N] ", question);
	*ret_yes = fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
	return 0;
}

static int run_prune(const struct invocation *invocation, struct error *err)
{
	_cleanup_session_ struct session session = {0};
	_cleanup_prune_ struct prune prune = {0};
	_cleanup_close_ int lock = -1;
	bool yes = true;

	interrupt_catch();
	if (session_open(&session, err) < 0 || (lock = box_lock(err)) < 0 ||
	    prune_find(session.connection, session.pool, &prune, err) < 0)
		return -1;
	if (!prune.count) {
		log_info("nothing to remove: every box is in use");
		return 0;
	}
	for (size_t i = 0; i < prune.count; i++)
		log_info("%s", prune.items[i]);
	if (option_flag(invocation, "dry-run")) {
		log_step("nothing was removed (--dry-run)");
		return 0;
	}
	if (!option_flag(invocation, "force") &&
	    confirm("Remove these, which no sandbox uses?", &yes, err) < 0)
		return -1;
	if (!yes)
		return 0;
	if (prune_apply(session.pool, &prune, err) < 0)
		return -1;
	log_step("removed");
	return 0;
}

static const struct option json_options[] = {
	{0, "json", OPTION_FLAG, NULL, "print one JSON document"},
	{0},
};

static const struct option force_options[] = {
	{'f', "force", OPTION_FLAG, NULL, "install it anew when it is there already"},
	{0},
};

static const struct option prune_options[] = {
	{0, "dry-run", OPTION_FLAG, NULL, "only say what it would remove"},
	{'f', "force", OPTION_FLAG, NULL, "do not ask"},
	{0},
};

static const struct option add_options[] = {
	{0, "checksum", OPTION_TEXT, "SUM",
	 "sha256:HEX, sha512:HEX, or URL of a file of checksums"},
	{0, "name", OPTION_TEXT, "NAME", "what the box is called; default: by the file's name"},
	{0, "format", OPTION_TEXT, "FORMAT", "qcow2 (default) or raw"},
	{0, "firmware", OPTION_TEXT, "FIRMWARE", "bios (default) or uefi"},
	{'f', "force", OPTION_FLAG, NULL, "replace a box of that name"},
	{0},
};

static const struct command box_list_command = {
	.name = "list",
	.example = "migrant box list",
	.summary = "list the boxes that are installed or known",
	.options = json_options,
	.run = run_list,
};

static const struct command box_info_command = {
	.name = "info",
	.example = "migrant box info debian-12",
	.takes_box = true,
	.operands = "NAME",
	.summary = "show where a box comes from and who uses it",
	.options = json_options,
	.operands_min = 1,
	.operands_max = 1,
	.run = run_info,
};

static const struct command box_add_command = {
	.name = "add",
	.example = "migrant box add ubuntu-24.04",
	.takes_box = true,
	.operands = "NAME|FILE|URL",
	.summary = "fetch and verify an image, and install it as a box",
	.details =
		"NAME is a known box or the path of a description (docs/boxes.md). A FILE or URL\n"
		"needs --checksum: an image that nobody vouches for is not installed.\n",
	.options = add_options,
	.operands_min = 1,
	.operands_max = 1,
	.run = run_add,
};

static const struct command box_build_command = {
	.name = "build",
	.example = "migrant box build debian-12",
	.takes_box = true,
	.operands = "NAME",
	.summary = "build a box from signed packages",
	.details = "NAME is a known box with a recipe (debian-12) or the path of a description.\n",
	.options = force_options,
	.operands_min = 1,
	.operands_max = 1,
	.run = run_build,
};

static const struct command box_remove_command = {
	.name = "remove",
	.example = "migrant box remove ubuntu-24.04",
	.takes_box = true,
	.operands = "NAME",
	.summary = "remove a box that no sandbox uses",
	.operands_min = 1,
	.operands_max = 1,
	.run = run_remove,
};

static const struct command box_prune_command = {
	.name = "prune",
	.example = "migrant box prune",
	.summary = "remove all boxes that no sandbox uses, and what failed uploads left",
	.options = prune_options,
	.run = run_prune,
};

static const struct command *const subcommands[] = {
	&box_list_command,
	&box_info_command,
	&box_add_command,
	&box_build_command,
	&box_remove_command,
	&box_prune_command,
	NULL,
};

const struct command command_box = {
	.name = "box",
	.group = "images",
	.summary = "the images that sandboxes are made from",
	.subcommands = subcommands,
};
