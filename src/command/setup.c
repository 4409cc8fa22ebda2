/*
 * `migrant setup`: makes every item of the host's table true, or takes all of them away. Each item
 * is looked at first and again after it was changed: what is reported is what was found, not what
 * was tried.
 */
#include "command/command.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "command/host.h"

struct outcome {
	unsigned int errors;
	struct error first; /* the first item's error */
};

static void print_finding(const struct host_item *item, const struct host_finding *found)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

	host_report_text(&line, item->name, found);
	fputs(line.text, stdout);
	fflush(stdout);
}

/* Shows what came of an item; @err (if set) is why it failed. */
static void conclude(const struct host_item *item, struct host_finding *found, struct error *err,
		     struct outcome *outcome)
{
	if (error_is_set(err)) {
		if (outcome->errors++ == 0) {
			error_set(&outcome->first, err->code, "%s: %s", item->name, err->message);
			if (err->hint)
				error_hint(&outcome->first, "%s", err->hint);
		}
		finding_from_error(found, err);
	}
	print_finding(item, found);
}

/* After a change that did not fail: is it as it should be now? */
static void conclude_change(struct host_finding *found, struct error *err)
{
	if (error_is_set(err))
		return;
	if (found->state == HOST_OK)
		found->state = HOST_CHANGED;
	if (found->state != HOST_ERROR)
		return;
	error_set(err, EX_UNAVAILABLE, "%s", found->text);
	if (found->hint)
		error_hint(err, "%s", found->hint);
}

static void set_up(const struct host_item *item, struct outcome *outcome)
{
	_cleanup_finding_ struct host_finding found = {0};
	_cleanup_error_ struct error err = ERROR_INIT;

	item->check(&found);
	if (found.state == HOST_ERROR) {
		if (item->fix(&err) == 0)
			item->check(&found);
		else if (found.hint)
			error_hint(&err, "%s", found.hint);
		conclude_change(&found, &err);
	}
	conclude(item, &found, &err, outcome);
}

static void take_away(const struct host_item *item, struct outcome *outcome)
{
	_cleanup_finding_ struct host_finding found = {0};
	_cleanup_error_ struct error err = ERROR_INIT;

	if (!item->remove)
		return;
	if (item->remove(&found, &err) < 0 && !error_is_set(&err))
		error_set(&err, EX_SOFTWARE, "failed");
	conclude(item, &found, &err, outcome);
}

static int report_outcome(struct outcome *outcome, const char *what, struct error *err)
{
	if (!outcome->errors)
		return 0;
	error_move(err, &outcome->first);
	return error_prefix(err, "%s is not complete", what);
}

static int set_up_all(struct error *err)
{
	struct outcome outcome = {0};

	for (const struct host_item *item = host_items; item->name; item++)
		set_up(item, &outcome);
	return report_outcome(&outcome, "the set-up", err);
}

static int take_away_all(struct error *err)
{
	struct outcome outcome = {0};
	size_t count = 0;

	if (host_has_sandboxes()) {
		error_set(err, EXIT_STATE, "sandboxes are running");
		return error_hint(
			err, "halt or destroy them first; virsh list shows them as migrant-NAME");
	}
	while (host_items[count].name)
		count++;
	while (count-- > 0)
		take_away(&host_items[count], &outcome);
	return report_outcome(&outcome, "the removal", err);
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_close_ int lock = -1;

	if (geteuid() != 0) {
		error_set(err, EX_NOPERM, "setup changes the host and must run as root");
		return error_hint(err, "sudo migrant setup");
	}
	umask(022);
	lock = open("/run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return error_errno(err, EX_OSERR, "cannot lock /run");
	return option_flag(invocation, "remove") ? take_away_all(err) : set_up_all(err);
}

static const struct option options[] = {
	{0, "remove", OPTION_FLAG, NULL, "take everything out again"},
	{0},
};

const struct command command_setup = {
	.name = "setup",
	.group = "host",
	.summary = "prepare this host for sandboxes (as root, once)",
	.example = "sudo migrant setup",
	.details = "Installs the hook and the helper in /usr/sbin, links the hook where libvirt "
		   "looks for\n"
		   "it, and makes the storage pool. Every item is reported as ok, changed or "
		   "error; doing\n"
		   "it again changes nothing. --remove leaves boxes and disks where they are.\n",
	.options = options,
	.run = run,
};
