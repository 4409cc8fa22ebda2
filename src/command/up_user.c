/*
 * The steps of `up` that are the user's own: hooks around it, what configures the guest, and the
 * session that `connect:` opens at its end.
 */
#include <unistd.h>

#include "base/log.h"
#include "command/console.h"
#include "command/hooks.h"
#include "command/hosts.h"
#include "command/up.h"
#include "provision/provision.h"

int up_pre_up(struct up *up, struct error *err)
{
	const char *trigger = up->invocation->command->name;

	if (!up_is_reset(up))
		return hooks_before(&up->project, "pre-up", trigger, err);
	hooks_tell(&up->project, "pre-up", trigger);
	return 0;
}

int up_run_provision(struct up *up, struct error *err)
{
	_cleanup_hosts_ struct host_list hosts = {0};

	hosts_find(&up->project, &up->access.access, &hosts);
	if (provision_run(&up->project.config, hosts.items, hosts.count, err) == 0)
		return 0;
	return error_hint(err, "the sandbox runs: 'migrant ssh' looks, 'migrant provision' tries "
			       "again");
}

/* The sandbox is up, whatever the hook says. */
int up_post_up(struct up *up, struct error *err)
{
	(void)err;
	hooks_tell(&up->project, "post-up", up->invocation->command->name);
	return 0;
}

int up_go_in(struct up *up, struct error *err)
{
	const struct ssh_request request = {.access = &up->access.access, .interactive = true};
	int status = 0;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		log_info("'connect:' needs a terminal; here is none");
		return 0;
	}
	/* While the session lasts, others may work on the sandbox and look at its console. */
	reader_close(&up->console_reader);
	watch_end(&up->watch);
	project_unlock(&up->project);
	if (up->project.config.connect == CONNECT_CONSOLE)
		return console_show(&up->project, false, err);
	if (!up->access.key && project_find_access(&up->project, &up->access, err) < 0)
		return -1;
	return ssh_run(&request, &status, err);
}
