/*
 * A hook has the user's own environment, for it is the user's program; it has no terminal to ask on
 * and no time without end, for it is run while the sandbox is locked.
 */
#include "provision/lifecycle.h"

#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "provision/output.h"

int lifecycle_run(const struct config *config, const struct lifecycle_event *event,
		  struct error *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_list_ char **env = xcalloc(6, sizeof(*env));
	_cleanup_output_ struct output output = {.title = event->hook};
	struct process process = PROCESS_INIT;
	const char *argv[2] = {NULL};
	int status = 0;

	if (config_find_hook(config, event->hook, &path, err) < 0)
		return -1;
	if (!path)
		return 0;
	log_step("%s: hook %s", config->name, event->hook);
	env[0] = text_format("MIGRANT_NAME=%s", config->name);
	env[1] = text_format("MIGRANT_DIR=%s", config->directory);
	env[2] = text_format("MIGRANT_HOOK=%s", event->hook);
	env[3] = text_format("MIGRANT_TRIGGER=%s", event->trigger);
	env[4] = text_format("MIGRANT_IP=%s", event->address ? event->address : "");
	argv[0] = path;
	process.argv = argv;
	process.env = (const char *const *)env;
	process.directory = config->directory;
	process.keep_environment = true;
	process.timeout = event->seconds;
	if (output_run(&output, &process, &status, err) < 0)
		return error_prefix(err, "the hook %s", event->hook);
	if (status == 0)
		return 0;
	return error_set(err, EX_SOFTWARE, "the hook %s ended with status %d", event->hook, status);
}
