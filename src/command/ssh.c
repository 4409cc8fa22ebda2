/* `migrant ssh`: a shell in the guest, or one command. */
#include "base/log.h"
#include "base/text.h"
#include "command/named.h"

/* Whoever comes from ssh(1) writes the command where a name is expected. */
static int open_project(struct project *project, const struct invocation *invocation,
			struct error *err)
{
	_cleanup_error_ struct error cause = ERROR_INIT;

	if (project_open(project, invocation, &cause) == 0)
		return 0;
	error_move(err, &cause);
	if (!named_sandbox(invocation) || (err->code != EXIT_STATE && err->code != EX_USAGE))
		return -1;
	text_replace(&err->hint, NULL);
	return error_hint(err, "a command goes with -c; 'migrant global-status' lists sandboxes");
}

/* Each with its risk, every time: what is convenient is soon forgotten. */
static int read_forwarding(const struct invocation *invocation, struct ssh_request *request,
			   struct error *err)
{
	request->forward_agent = option_flag(invocation, "forward-agent");
	request->forward_x11 = option_flag(invocation, "forward-x11");
	if (request->forward_agent && !getenv("SSH_AUTH_SOCK"))
		return error_set(err, EX_USAGE, "there is no agent to forward (SSH_AUTH_SOCK)");
	if (request->forward_x11 && !getenv("DISPLAY"))
		return error_set(err, EX_USAGE, "there is no display to forward (DISPLAY)");
	if (request->forward_agent)
		log_warning("whoever is root in the guest can log in with your SSH keys elsewhere, "
			    "until you leave");
	if (request->forward_x11)
		log_warning("the guest can open windows on your display, and look for ways to see "
			    "and type into others, until you leave");
	return 0;
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	_cleanup_access_ struct project_access access = {0};
	struct ssh_request request = {.interactive = true};
	const int names = named_sandbox(invocation) ? 1 : 0;
	int status = 0;

	if (invocation->argc > names && invocation->dashdash != names) {
		error_set(err, EX_USAGE, "'migrant ssh' does not take '%s'",
			  invocation->argv[names]);
		return error_hint(err, "a command goes with -c, arguments of ssh behind --");
	}
	if (text_equal(option_text(invocation, "command"), "")) {
		error_set(err, EX_USAGE, "-c needs a command");
		return error_hint(err, "without -c it is a shell");
	}
	if (read_forwarding(invocation, &request, err) < 0 ||
	    open_project(&project, invocation, err) < 0 ||
	    project_require_running(&project, err) < 0 ||
	    project_find_access(&project, &access, err) < 0)
		return -1;
	request.access = &access.access;
	request.command = option_text(invocation, "command");
	request.is_raw = option_flag(invocation, "raw");
	request.arguments = invocation->argv + names;
	if (ssh_run(&request, &status, err) < 0)
		return -1;
	return status;
}

static const struct option options[] = {
	{'c', "command", OPTION_TEXT, "CMD", "run CMD in the guest instead of a shell"},
	{0, "forward-agent", OPTION_FLAG, NULL,
	 "risky: the guest's root can use your SSH keys until you leave"},
	{0, "forward-x11", OPTION_FLAG, NULL,
	 "risky: the guest can use your display until you leave"},
	{0, "raw", OPTION_FLAG, NULL, "let the guest have your terminal: nothing is filtered"},
	{0},
};

const struct command command_ssh = {
	.name = "ssh",
	.group = "access",
	.operands = "[NAME] [-- ARGS]",
	.summary = "open a shell in the guest, or run a command there",
	.details = "With -c the exit status is that of the command. What stands behind -- is given "
		   "to\n"
		   "ssh(1). Neither your SSH configuration nor your agent takes part. What the "
		   "guest\n"
		   "prints on a terminal is filtered (docs/terminal.md).\n"
		   "\n"
		   "  migrant ssh                     a shell\n"
		   "  migrant ssh -c 'make -C work'   one command\n"
		   "  migrant ssh -- -L 3000:localhost:3000\n",
	.options = options,
	.operands_max = -1,
	.takes_name = true,
	.run = run,
};
