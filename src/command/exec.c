/*
 * `migrant exec`: one program in the guest with exactly these arguments, as if it were here: its
 * streams are ours, its status is ours, and it has a terminal when we have one.
 */
#include <string.h>

#include "base/text.h"
#include "command/named.h"
#include "provision/remote.h"
#include "terminal/screen.h"

/* "NAME=value" as it is; for "NAME" the value is taken from here. NULL with *err set. */
static char *variable(const char *text, struct error *err)
{
	size_t name = remote_variable_length(text);
	const char *value;

	if (!name || (text[name] && text[name] != '=')) {
		error_set(err, EX_USAGE, "'%s' is no variable", text);
		error_hint(err, "-e NAME=value, or -e NAME for the value that it has here");
		return NULL;
	}
	if (text[name] == '=')
		return text_dup(text);
	value = getenv(text);
	if (!value) {
		error_set(err, EX_USAGE, "-e %s: it is not set here", text);
		return NULL;
	}
	return text_format("%s=%s", text, value);
}

static int read_environment(const struct invocation *invocation, char ***ret_list,
			    struct error *err)
{
	const struct option_value *given = option_values(invocation, "env");
	_cleanup_list_ char **list = xcalloc(given->count + 1, sizeof(*list));

	for (size_t i = 0; i < given->count; i++)
		if (!(list[i] = variable(given->texts[i], err)))
			return -1;
	*ret_list = take_ptr(list);
	return 0;
}

static enum ssh_tty choose_tty(const struct invocation *invocation)
{
	if (option_flag(invocation, "tty"))
		return SSH_TTY_YES;
	if (option_flag(invocation, "T"))
		return SSH_TTY_NO;
	return screen_is_there() ? SSH_TTY_YES : SSH_TTY_NO;
}

static int check(const struct invocation *invocation, const char *program, struct error *err)
{
	if (option_flag(invocation, "tty") && option_flag(invocation, "T"))
		return error_set(err, EX_USAGE, "-t and -T exclude each other");
	if (text_equal(option_text(invocation, "workdir"), ""))
		return error_set(err, EX_USAGE, "-w needs a directory of the guest");
	if (!program || program[0] == '-' || !program[0]) {
		error_set(err, EX_USAGE, "'%s' cannot be a command", program ? program : "");
		return error_hint(err, "migrant exec --help shows the options");
	}
	return 0;
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	_cleanup_access_ struct project_access access = {0};
	_cleanup_list_ char **environment = NULL;
	_cleanup_free_ char *command = NULL;
	struct ssh_request request = {.interactive = true};
	const char *directory = option_text(invocation, "workdir");
	const char *const *argv = invocation->argv + (named_sandbox(invocation) ? 1 : 0);
	int status = 0;

	if (check(invocation, argv[0], err) < 0 ||
	    read_environment(invocation, &environment, err) < 0 ||
	    project_open(&project, invocation, err) < 0 ||
	    project_require_running(&project, err) < 0 ||
	    project_find_access(&project, &access, err) < 0)
		return -1;
	command = remote_command(directory ? remote_path(directory) : NULL,
				 (const char *const *)environment, argv);
	request.access = &access.access;
	request.command = command;
	request.tty = choose_tty(invocation);
	request.is_raw = option_flag(invocation, "raw");
	if (ssh_run(&request, &status, err) < 0)
		return -1;
	return status;
}

static const struct option options[] = {
	{'w', "workdir", OPTION_TEXT, "DIR", "where it runs (the user's home directory)"},
	{'e', "env", OPTION_LIST, "K=V", "set a variable; K alone takes the value from here"},
	{'t', "tty", OPTION_FLAG, NULL, "give it a terminal, also when there is none here"},
	{'T', NULL, OPTION_FLAG, NULL, "give it none"},
	{0, "raw", OPTION_FLAG, NULL, "let the guest have your terminal: nothing is filtered"},
	{0},
};

const struct command command_exec = {
	.name = "exec",
	.group = "access",
	.operands = "[NAME] -- CMD [ARG…]",
	.summary = "run a program in the guest with exactly these arguments",
	.details = "No shell reads the arguments. The exit status is that of the program; 127: "
		   "there is\n"
		   "none of that name; 128+N: signal N ended it. It has a terminal when standard "
		   "input and\n"
		   "output are one. Options stand before the name.\n"
		   "\n"
		   "  migrant exec -- ls -l 'two words'\n"
		   "  migrant exec -w workspace -e CI=1 -- make test\n"
		   "  migrant exec -- tar cz -C workspace . >workspace.tar.gz\n"
		   "  migrant exec -w workspace my-project -- git status    from any directory\n",
	.options = options,
	.operands_min = 1,
	.operands_max = -1,
	.stop_at_operand = true,
	.takes_name = true,
	.run = run,
};
