/*
 * Other programs get what ssh_options() gives to ours: one key, one host key that is known before,
 * nothing forwarded. Of the host key they need a file that stays, in the state directory (XDG Base
 * Directory Specification); it goes with the sandbox.
 */
#include "provision/ssh_config.h"

#include <fcntl.h>
#include <pwd.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "provision/state.h"

char *state_directory(void)
{
	const char *state = getenv("XDG_STATE_HOME");

	if (state && *state == '/')
		return text_format("%s/migrant", state);
	return state_directory_at_home();
}

char *state_directory_at_home(void)
{
	const char *home = getenv("HOME");
	const struct passwd *user;

	if (home && *home == '/')
		return text_format("%s/.local/state/migrant", home);
	user = getpwuid(getuid());
	return text_format("%s/.local/state/migrant", user ? user->pw_dir : "");
}

static char *key_path(const char *name)
{
	_cleanup_free_ char *directory = state_directory();

	return text_format("%s/known_hosts-%s", directory, name);
}

int ssh_config_store_key(const struct guest_access *access, char **ret_path, struct error *err)
{
	_cleanup_free_ char *directory = state_directory();
	_cleanup_free_ char *path = key_path(access->name);
	_cleanup_free_ char *line = text_format("migrant-%s %s\n", access->name, access->host_key);

	if (file_make_dirs(directory, 0700, err) < 0 ||
	    file_replace(AT_FDCWD, path, line, strlen(line), 0600, err) < 0)
		return error_prefix(err, "cannot write down the guest's host key");
	*ret_path = take_ptr(path);
	return 0;
}

void ssh_config_forget_key(const char *name)
{
	_cleanup_free_ char *path = key_path(name);

	unlink(path);
}

/* In quotes, a path may have everything but these; a percent sign would be a token, ${ a variable.
 */
static int add_path(struct strbuf *out, const char *keyword, const char *path, struct error *err)
{
	if (!text_is_plain(path, strlen(path)) || strpbrk(path, "\"\\") || strstr(path, "${"))
		return error_set(err, EX_CONFIG, "%s cannot be written in an ssh_config", path);
	strbuf_addf(out, "  %s \"", keyword);
	for (; *path; path++) {
		if (*path == '%')
			strbuf_add_char(out, '%');
		strbuf_add_char(out, *path);
	}
	strbuf_add_text(out, "\"\n");
	return 0;
}

int ssh_config_format(const struct guest_access *access, const char *host, const char *known_hosts,
		      struct strbuf *out, struct error *err)
{
	strbuf_addf(out,
		    "# Of migrant's sandbox %s. Plain ssh filters nothing of what the guest "
		    "prints, and "
		    "an editor\n"
		    "# that is connected to it trusts it: docs/access.md.\n"
		    "Host %s\n"
		    "  HostName %s\n"
		    "  User %s\n"
		    "  HostKeyAlias migrant-%s\n",
		    access->name, host, access->address, access->user, access->name);
	if (add_path(out, "IdentityFile", access->key, err) < 0 ||
	    add_path(out, "UserKnownHostsFile", known_hosts, err) < 0)
		return -1;
	ssh_fixed_options(out);
	return 0;
}
