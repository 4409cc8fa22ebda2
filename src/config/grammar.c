/*
 * Single texts: names, paths, users. Each is a whole grammar; nothing is trimmed, guessed or
 * completed, because what is accepted here ends up in domain XML, in the guest's cloud-init and on
 * command lines.
 */
#include "config/grammar.h"

#include <string.h>
#include <strings.h>

#include "base/strbuf.h"
#include "base/text.h"

#define BOX_NAME_MAX   63
#define NAME_BYTES_MAX 255 /* of one component of a path */

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool box_reference_is_path(const char *text)
{
	return strchr(text, '/') || text_ends(text, ".yaml") || text_ends(text, ".yml");
}

bool box_reference_is_valid(const char *text)
{
	if (box_reference_is_path(text))
		return text[0] != '-' && !text_ends(text, "/");
	for (const char *at = text; *at; at++)
		if (!is_lower(*at) && !is_digit(*at) &&
		    (at == text || (*at != '-' && *at != '.' && *at != '_')))
			return false;
	return *text && strlen(text) <= BOX_NAME_MAX;
}

/* Users that Debian, Ubuntu, Fedora and Arch guests have already; useradd would fail or worse. */
static const char *const system_users[] = {
	"root",	  "daemon", "bin",	"sys",	   "sync",     "games",	     "man",	 "lp",
	"mail",	  "news",   "uucp",	"proxy",   "www-data", "backup",     "list",	 "irc",
	"nobody", "sshd",   "_apt",	"dbus",	   "adm",      "messagebus", "operator", "ftp",
	"http",	  "halt",   "shutdown", "polkitd", "tss",      "uuidd",
};

bool user_is_valid(const char *text)
{
	if (!is_lower(text[0]) && text[0] != '_')
		return false;
	for (const char *at = text; *at; at++)
		if (!is_lower(*at) && !is_digit(*at) && *at != '-' && *at != '_')
			return false;
	for (size_t i = 0; i < ARRAY_SIZE(system_users); i++)
		if (text_equal(text, system_users[i]))
			return false;
	return strlen(text) <= 32 && !text_starts(text, "systemd-");
}

bool cmdline_is_valid(const char *text)
{
	for (const char *at = text; *at; at++)
		if (*at < 0x20 || *at > 0x7e)
			return false;
	return true;
}

/* True for a '/'-separated text of components other than "", "." and "..". */
static bool is_normal(const char *path)
{
	for (;;) {
		size_t length = strcspn(path, "/");

		if (!length || length > NAME_BYTES_MAX || (length == 1 && path[0] == '.') ||
		    (length == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (!path[length])
			return true;
		path += length + 1;
	}
}

bool title_is_valid(const char *text)
{
	for (const char *at = text; *at; at++)
		if (!is_lower(*at) && !is_digit(*at) && !(*at >= 'A' && *at <= 'Z') &&
		    !strchr(at == text ? "._/" : "._-/ ", *at))
			return false;
	return *text && strlen(text) <= 64;
}

bool mode_is_valid(const char *text)
{
	size_t length = strspn(text, "01234567");

	return !text[length] && (length == 3 || length == 4);
}

bool target_is_valid(const char *text)
{
	return text[0] == '/' && is_normal(text + 1) && !strchr(text, '\n');
}

/* What a mount in the guest would break: the path itself, or also everything below it. */
static const struct {
	const char *path;
	bool below;
} system_paths[] = {
	{"/dev", true},
	{"/proc", true},
	{"/sys", true},
	{"/run", true},
	{"/bin", true},
	{"/sbin", true},
	{"/lib", true},
	{"/lib32", true},
	{"/lib64", true},
	{"/libx32", true},
	{"/boot", true},
	{"/efi", true},
	{"/etc", true},
	{"/usr/bin", true},
	{"/usr/sbin", true},
	{"/usr/lib", true},
	{"/usr/lib32", true},
	{"/usr/lib64", true},
	{"/usr/share", true},
	{"/usr/libexec", true},
	{"/var/cache", true},
	{"/var/lib", true},
	{"/var/log", true},
	{"/var/lock", true},
	{"/var/run", true},
	{"/var/spool", true},
	{"/var/tmp", true},
	{"/var/backups", true},
	{"/root/.ssh", true},
	{"/lost+found", true},
	{"/usr/local/lib/migrant", true},
	{"/usr", false},
	{"/usr/local", false},
	{"/usr/local/bin", false},
	{"/usr/local/lib", false},
	{"/usr/local/sbin", false},
	{"/var", false},
	{"/root", false},
	{"/home", false},
	{"/tmp", false},
};

bool guest_path_is_valid(const char *text)
{
	if (text[0] != '/' || !is_normal(text + 1) || strpbrk(text, "\n\t"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(system_paths); i++) {
		const char *path = system_paths[i].path;

		if (text_equal(text, path) || (system_paths[i].below && paths_overlap(text, path) &&
					       strlen(text) > strlen(path)))
			return false;
	}
	return true;
}

/*
 * Directories in which tools of the host look for what they run: hooks, tasks, settings. What the
 * guest writes there would run on the host as soon as its user works in the project.
 */
static bool is_obeyed_name(const char *component, size_t length)
{
	static const char *const names[] = {".git",    ".hg",	      ".svn",	       ".bzr",
					    ".jj",     ".vscode",     ".idea",	       ".zed",
					    ".github", ".husky",      ".devcontainer", ".direnv",
					    ".envrc",  "Migrantfile", ".claude",       ".ssh"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == length && strncasecmp(names[i], component, length) == 0)
			return true;
	return false;
}

bool path_is_obeyed(const char *path)
{
	for (;; path++) {
		size_t length = strcspn(path, "/");

		if (is_obeyed_name(path, length))
			return true;
		path += length;
		if (!*path)
			return false;
	}
}

char *inner_path(const char *text, const char **ret_reason)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	const char *at = text;

	*ret_reason = "a share lies inside the project's directory, so its path is relative";
	if (text[0] == '/')
		return NULL;
	for (size_t length; *at; at += length + (at[length] == '/')) {
		length = strcspn(at, "/");
		if (!length || (length == 1 && at[0] == '.'))
			continue;
		if (length == 2 && at[0] == '.' && at[1] == '.') {
			*ret_reason = "a share's path has no '..'";
			return NULL;
		}
		if (length > NAME_BYTES_MAX) {
			*ret_reason = "longer than a file's name can be";
			return NULL;
		}
		strbuf_addf(&out, "%s%.*s", out.length ? "/" : "", (int)length, at);
	}
	*ret_reason = "the project's directory itself cannot be a share: it holds the Migrantfile";
	return out.length ? strbuf_take(&out) : NULL;
}

bool paths_overlap(const char *a, const char *b)
{
	size_t shorter = strlen(a) < strlen(b) ? strlen(a) : strlen(b);

	return strncmp(a, b, shorter) == 0 && (!a[shorter] || a[shorter] == '/') &&
	       (!b[shorter] || b[shorter] == '/');
}

void complaint_done(struct complaint *complaint)
{
	free(complaint->text);
	*complaint = (struct complaint){0};
}
