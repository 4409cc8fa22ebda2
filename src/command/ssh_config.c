/* `migrant ssh-config`: the sandbox as an entry of ssh_config(5), for programs that bring their own
 * ssh. */
#include "provision/ssh_config.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "command/project.h"

/* A word of a Host line that means itself. */
static bool is_host(const char *host)
{
	for (const char *at = host; *at; at++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_",
			    *at))
			return false;
	return *host && *host != '-';
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	_cleanup_access_ struct project_access access = {0};
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_free_ char *known_hosts = NULL;
	const char *host = option_text(invocation, "host");

	if (host && !is_host(host))
		return error_set(err, EX_USAGE, "'%s' cannot be the name of a host", host);
	if (project_open(&project, invocation, err) < 0 ||
	    project_require_running(&project, err) < 0 ||
	    project_find_access(&project, &access, err) < 0 ||
	    ssh_config_store_key(&access.access, &known_hosts, err) < 0 ||
	    ssh_config_format(&access.access, host ? host : project.config.name, known_hosts, &text,
			      err) < 0)
		return -1;
	fputs(strbuf_text(&text), stdout);
	return 0;
}

static const struct option options[] = {
	{0, "host", OPTION_TEXT, "HOST", "call it HOST instead of the sandbox's name"},
	{0},
};

const struct command command_ssh_config = {
	.name = "ssh-config",
	.group = "access",
	.operands = "[NAME]",
	.summary = "print the sandbox as an entry of ssh_config(5)",
	.details =
		"For ssh, scp, rsync, VS Code's Remote and the like. The address can change with "
		"every\n"
		"'migrant up': write it anew then.\n"
		"\n"
		"  migrant ssh-config >~/.ssh/claude.conf\n"
		"  rsync -e 'ssh -F ~/.ssh/claude.conf' -r work claude:\n",
	.options = options,
	.operands_max = 1,
	.takes_name = true,
	.run = run,
};
