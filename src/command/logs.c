/*
 * `migrant logs`: what the guest has printed on its console, what cloud-init did there, what it did
 * on the network. The first two are the guest's own words: shown line by line, escaped.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"
#include "command/helper.h"
#include "command/logs.h"
#include "domain/streams.h"

#define LINE_MAX_BYTES 4096 /* a longer line is shown in parts */
#define ANSWER_MAX     (1 << 20)

/* Lines of the guest's, without what only draws, the rest as escapes. */
static void show_lines(const char *bytes, size_t length)
{
	_cleanup_free_ char *plain = console_plain(bytes, length);
	_cleanup_free_ char *shown = text_escape(plain, strlen(plain), true);

	fputs(shown, stdout);
}

static void end_line(const char *bytes, size_t length)
{
	if (length && bytes[length - 1] != '\n')
		putchar('\n');
}

static int load_console(const char *name, char **ret_bytes, size_t *ret_length, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
	json_object *root, *text = NULL;

	if (helper_run("console", name, &answer, err) < 0)
		return -1;
	root = json_tokener_parse(strbuf_text(&answer));
	json_object_object_get_ex(root, "console", &text);
	*ret_bytes = text ? text_unhex(json_object_get_string(text), ret_length) : NULL;
	json_object_put(root);
	if (!*ret_bytes)
		return error_set(err, EX_SOFTWARE, "the helper's answer is not understood");
	return 0;
}

/* A line that is not all there yet. */
struct follower {
	struct reader reader;
	struct strbuf line;
};

static void on_console(void *sink, const char *bytes, size_t length)
{
	struct follower *follower = sink;

	for (size_t i = 0; i < length; i++) {
		strbuf_add_char(&follower->line, bytes[i]);
		if (bytes[i] != '\n' && follower->line.length < LINE_MAX_BYTES)
			continue;
		show_lines(strbuf_text(&follower->line), follower->line.length);
		strbuf_truncate(&follower->line, 0);
	}
	fflush(stdout);
}

static bool has_ended(void *data)
{
	const struct follower *follower = data;

	return follower->reader.has_ended || ferror(stdout);
}

/* The stream is opened first: what comes between is shown twice at worst, as nothing. */
static int show_console(const struct project *project, bool follows, struct error *err)
{
	struct follower follower = {.reader = {.add = on_console}};
	_cleanup_free_ char *bytes = NULL;
	size_t length = 0;
	int result = 0;

	follower.reader.sink = &follower;
	if (follows && reader_open(&follower.reader, project->domain.handle, NULL, err) < 0)
		return -1;
	if (load_console(project->config.name, &bytes, &length, err) < 0) {
		reader_close(&follower.reader);
		return -1;
	}
	show_lines(bytes, length);
	if (!follows)
		end_line(bytes, length);
	fflush(stdout);
	if (follows)
		result = wait_until(project->connection, has_ended, &follower, 0, err);
	reader_close(&follower.reader);
	strbuf_done(&follower.line);
	return result;
}

/* Only the guest has it: it is asked, and may answer what it likes. */
static int show_cloud_init(const struct project *project, struct error *err)
{
	static const char script[] = "tail -c 262144 /var/log/cloud-init-output.log\n";
	_cleanup_access_ struct project_access access = {0};
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
	int status = 0;

	if (project_require_running(project, err) < 0 ||
	    project_find_access(project, &access, err) < 0 ||
	    ssh_script(&access.access, script, ANSWER_MAX, &answer, &status, err) < 0)
		return -1;
	if (status != 0) {
		error_set(err, EXIT_STATE, "the guest has no log of cloud-init");
		return error_hint(err,
				  "a box that migrant built runs it for a cloud-init.yml only; "
				  "'migrant logs' has what its first boot said");
	}
	show_lines(strbuf_text(&answer), answer.length);
	end_line(strbuf_text(&answer), answer.length);
	return 0;
}

static int check(const struct invocation *invocation, struct error *err)
{
	const bool network = option_flag(invocation, "network");
	const bool provision = option_flag(invocation, "provision");
	const bool cloud_init = option_flag(invocation, "cloud-init");
	char since[EVENT_TIME_MAX];

	if (network + provision + cloud_init > 1)
		return error_set(err, EX_USAGE,
				 "--network, --provision and --cloud-init exclude each other");
	if (!network && option_flag(invocation, "json"))
		return error_set(err, EX_USAGE, "--json is for --network");
	if (!network && !provision && option_text(invocation, "since")) {
		error_set(err, EX_USAGE,
			  "--since is for --network and --provision: the guest's own words have "
			  "no times that can be trusted");
		return error_hint(err, "'migrant logs | tail' shows the last lines of its console, "
				       "'migrant logs -f' also those that come");
	}
	if (cloud_init && option_flag(invocation, "follow"))
		return error_set(err, EX_USAGE, "--cloud-init cannot be followed; the console can");
	return logs_since(option_text(invocation, "since"), since, err);
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;

	if (check(invocation, err) < 0 || project_load(&project, invocation, err) < 0)
		return -1;
	if (option_flag(invocation, "network"))
		return logs_network(invocation, project.config.name, err);
	if (option_flag(invocation, "provision"))
		return logs_provision(invocation, project.config.name, err);
	if (project_connect(&project, err) < 0 || project_find(&project, err) < 0)
		return -1;
	if (!project.domain.handle) {
		error_set(err, EXIT_STATE, "the sandbox '%s' does not exist", project.config.name);
		return error_hint(err, "make it: migrant up");
	}
	if (option_flag(invocation, "cloud-init"))
		return show_cloud_init(&project, err);
	if (option_flag(invocation, "follow") && project_require_running(&project, err) < 0)
		return -1;
	return show_console(&project, option_flag(invocation, "follow"), err);
}

static const struct option options[] = {
	{0, "network", OPTION_FLAG, NULL, "what the guest did on the network"},
	{0, "provision", OPTION_FLAG, NULL, "what up and provision have said, with times in UTC"},
	{0, "cloud-init", OPTION_FLAG, NULL, "what its first boot has set up, as the guest says"},
	{'f', "follow", OPTION_FLAG, NULL, "wait for more and show it as it comes"},
	{0, "since", OPTION_TEXT, "WHEN",
	 "network, provision: from then on (30m, or a time in UTC)"},
	{0, "json", OPTION_FLAG, NULL, "of the network: one JSON object per line"},
	{0},
};

const struct command command_logs = {
	.name = "logs",
	.group = "access",
	.operands = "[NAME]",
	.summary = "show what the sandbox has logged",
	.details =
		"Without an option, the last 256 KiB that the guest has printed on its console "
		"since it\n"
		"was started. Of the network: connections that were allowed and denied, and "
		"names that\n"
		"were asked for, as far as they fit into 4 MiB. Of provisioning: the last 1 MiB or "
		"more.\n"
		"Logs stay when the sandbox is halted and go when it is destroyed.\n"
		"\n"
		"  migrant logs | tail\n"
		"  migrant logs --network --since 10m -f\n"
		"  migrant logs --provision --since 1h\n",
	.options = options,
	.operands_max = 1,
	.takes_name = true,
	.run = run,
};
