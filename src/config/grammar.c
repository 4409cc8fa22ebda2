/*
 * Single texts: names, paths, users. Each is a whole grammar; nothing is trimmed, guessed or
 * completed, because what is accepted here ends up in domain XML, in the guest's cloud-init and on
 * command lines.
 */
#include "config/grammar.h"

#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"

#define BOX_NAME_MAX 63

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

		if (!length || (length == 1 && path[0] == '.') ||
		    (length == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (!path[length])
			return true;
		path += length + 1;
	}
}

bool guest_path_is_valid(const char *text)
{
	/* Mounting over these, or anywhere below the first four, breaks the guest. */
	static const char *const system_paths[] = {"/dev",  "/proc", "/sys",  "/run", "/bin",
						   "/boot", "/etc",  "/lib",  "/usr", "/lib64",
						   "/sbin", "/var",  "/root", "/home"};

	if (text[0] != '/' || !is_normal(text + 1) || strchr(text, '\n'))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(system_paths); i++) {
		if (text_equal(text, system_paths[i]))
			return false;
		if (i < 4 && paths_overlap(text, system_paths[i]))
			return false;
	}
	return true;
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
