/*
 * Lifecycle hooks are programs that run on the host as the user. Which ones there are is looked up
 * when one is to run, and so is who could have written it: a file may have come since the
 * Migrantfile was checked, and the commands that end a sandbox check nothing else of it.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "config/grammar.h"
#include "config/reader.h"

static int refuse_hook(const struct config *config, int code, struct error *err, const char *path,
		       const char *why)
{
	config_error(config, config_position(config, "hooks"), err,
		     "a hook is run on the host as you: %s %s", path, why);
	err->code = code;
	return -1;
}

static int check_shares(const struct config *config, const char *path, struct error *err)
{
	for (size_t i = 0; i < config->share_count; i++) {
		_cleanup_free_ char *share = config_path(config, config->shares[i].host);
		_cleanup_free_ char *real = realpath(share, NULL);

		if (paths_overlap(real ? real : share, path))
			return refuse_hook(config, EX_CONFIG, err, path,
					   "lies in a share, which the guest writes");
	}
	return 0;
}

int config_find_hook(const struct config *config, const char *name, char **ret_path,
		     struct error *err)
{
	_cleanup_free_ char *directory = config->hooks ? config_path(config, config->hooks) : NULL;
	_cleanup_free_ char *written = directory ? text_format("%s/%s", directory, name) : NULL;
	_cleanup_free_ char *path = written ? realpath(written, NULL) : NULL;
	_cleanup_free_ char *place = NULL;
	const char *why;
	struct stat status;

	if (!written || (!path && errno == ENOENT)) {
		*ret_path = NULL;
		return 0;
	}
	if (!path || stat(path, &status) < 0)
		return refuse_hook(config, EX_NOPERM, err, written, "cannot be looked at");
	if (check_shares(config, path, err) < 0)
		return -1;
	why = changed_on_the_way(path, &place);
	if (why)
		return refuse_hook(config, EX_NOPERM, err, place, why);
	if (!S_ISREG(status.st_mode) || access(path, X_OK) < 0) {
		refuse_hook(config, EX_NOPERM, err, path, "is no program");
		return error_hint(err, "chmod +x makes it one");
	}
	*ret_path = take_ptr(path);
	return 0;
}
