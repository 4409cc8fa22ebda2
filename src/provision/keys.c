/*
 * The managed SSH key. It is made by ssh-keygen in a private directory and then renamed into place,
 * so that a half-written key is never found and of two processes at once exactly one makes it.
 */
#include "provision/keys.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "base/text.h"

#define PUBLIC_MAX  4096
#define KEY_TIMEOUT 60

bool key_public_is_valid(const char *line)
{
	static const char base64[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
	static const char *const types[] = {"ssh-ed25519 ", "ssh-rsa ", "ecdsa-sha2-",
					    "sk-ssh-ed25519@", "sk-ecdsa-sha2-"};
	const char *blob = strchr(line, ' ');
	bool known = false;
	size_t length;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		known = known || text_starts(line, types[i]);
	if (!known || !blob)
		return false;
	length = strspn(++blob, base64);
	if (length < 16 || (blob[length] && blob[length] != ' '))
		return false;
	for (const char *at = line; *at; at++)
		if (*at < ' ' || *at > '~')
			return false;
	return true;
}

char *home_directory(void)
{
	const char *home = getenv("HOME");
	const struct passwd *user;

	if (home && *home == '/')
		return text_dup(home);
	user = getpwuid(getuid()); // NOLINT(concurrency-mt-unsafe): there is one thread
	return user && user->pw_dir ? text_dup(user->pw_dir) : NULL;
}

static int key_path(char **ret_path, struct error *err)
{
	const char *given = getenv("MIGRANT_KEY");
	_cleanup_free_ char *base = NULL;

	if (given && *given == '/') {
		*ret_path = text_dup(given);
		return 0;
	}
	if (given && *given) {
		base = getcwd(NULL, 0);
		if (!base)
			return error_errno(err, EX_NOINPUT, "cannot tell the current directory");
		*ret_path = text_format("%s/%s", base, given);
		return 0;
	}
	base = home_directory();
	if (!base) {
		error_set(err, EX_NOINPUT, "you have no home directory");
		error_hint(err, "set MIGRANT_KEY to the file that shall hold the key");
		return -1;
	}
	*ret_path = text_format("%s/.ssh/migrant", base);
	return 0;
}

/* Runs ssh-keygen so that it can ask nothing and no agent can answer. */
static int run_keygen(const char *const *argv, struct strbuf *output, struct error *err)
{
	struct process process = PROCESS_INIT;
	int result;

	process.argv = argv;
	process.timeout = KEY_TIMEOUT;
	result = process_capture(&process, PUBLIC_MAX, output, err);
	if (result < 0 && err->code == EX_UNAVAILABLE)
		error_hint(err, "install OpenSSH's client (Debian: openssh-client)");
	return result;
}

/* Lets ssh-keygen write @temporary/key and publishes it as @path. */
static int make_in(const char *temporary, const char *path, struct error *err)
{
	_cleanup_free_ char *key = text_format("%s/key", temporary);
	_cleanup_strbuf_ struct strbuf output = STRBUF_INIT;
	/* The comment says nothing of user or host: the guest gets to read it. */
	const char *const argv[] = {"ssh-keygen", "-q",	     "-t", "ed25519", "-N", "",
				    "-C",	  "migrant", "-f", key,	      NULL};

	if (mkdir(temporary, 0700) < 0)
		return error_errno(err, EX_CANTCREAT, "cannot make directory %s", temporary);
	if (run_keygen(argv, &output, err) < 0)
		return -1;
	if (rename(key, path) < 0)
		return error_errno(err, EX_CANTCREAT, "cannot make the key %s", path);
	return 0;
}

/* Under a lock on the directory: what an earlier run left half-made is nobody's and goes first. */
static int make_key(const char *path, struct error *err)
{
	_cleanup_free_ char *parent = text_dup_n(path, (size_t)(strrchr(path, '/') - path) + 1);
	_cleanup_free_ char *temporary = text_format("%s.new", path);
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_close_ int directory = -1;
	int result;

	if (file_make_dirs(parent, 0700, err) < 0)
		return -1;
	directory = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0 || flock(directory, LOCK_EX) < 0)
		return error_errno(err, EX_CANTCREAT, "cannot lock %s", parent);
	if (access(path, F_OK) == 0)
		return 0;
	if (file_remove_tree(AT_FDCWD, temporary, err) < 0)
		return -1;
	result = make_in(temporary, path, err);
	if (file_remove_tree(AT_FDCWD, temporary, &ignored) < 0 && result == 0)
		error_move(err, &ignored);
	return error_is_set(err) ? -1 : 0;
}

/* ssh ignores a key that others may read; say so here, where there is a way out to name. */
static int check_private(const char *path, struct error *err)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return error_errno(err, EX_NOPERM, "cannot use the key %s", path);
	if (!S_ISREG(status.st_mode))
		return error_set(err, EX_DATAERR, "the key %s is not a regular file", path);
	if (status.st_uid != geteuid()) {
		error_set(err, EX_NOPERM, "the key %s belongs to another user", path);
		return error_hint(err, "move it away, or set MIGRANT_KEY to a key of your own");
	}
	if (status.st_mode & (S_IRWXG | S_IRWXO)) {
		error_set(err, EX_NOPERM, "the key %s can be read by others", path);
		return error_hint(err, "chmod 600 %s", path);
	}
	return 0;
}

/* The public half is always taken from the private one: a stale .pub beside it would lock us out.
 */
static int read_public(const char *path, char **ret_public_text, struct error *err)
{
	_cleanup_strbuf_ struct strbuf output = STRBUF_INIT;
	const char *const argv[] = {"ssh-keygen", "-y", "-P", "", "-f", path, NULL};

	if (run_keygen(argv, &output, err) < 0) {
		if (err->code != EX_SOFTWARE)
			return -1;
		err->code = EX_DATAERR;
		error_prefix(err, "cannot use the key %s", path);
		return error_hint(err,
				  "it must be a private key without a passphrase; move it away "
				  "and migrant makes a new one");
	}
	if (output.length && output.text[output.length - 1] == '\n')
		strbuf_truncate(&output, output.length - 1);
	if (!key_public_is_valid(strbuf_text(&output)))
		return error_set(err, EX_DATAERR, "ssh-keygen printed no public key for %s", path);
	*ret_public_text = strbuf_take(&output);
	return 0;
}

bool key_is_made(void)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_free_ char *path = NULL;

	return key_path(&path, &ignored) == 0 && access(path, F_OK) == 0;
}

/* ssh takes these for tokens, variables and quotes, and Ansible hands the path on to it. */
static int check_path(const char *path, struct error *err)
{
	if (text_is_plain(path, strlen(path)) && !strpbrk(path, "%\"\\") && !strstr(path, "${"))
		return 0;
	error_set(err, EX_USAGE,
		  "ssh cannot use a key in %s: there is a character in the path "
		  "that it does not take as it is",
		  path);
	return error_hint(err, "set MIGRANT_KEY to a file elsewhere");
}

int key_ensure(char **ret_private_path, char **ret_public_text, struct error *err)
{
	_cleanup_free_ char *path = NULL;

	if (key_path(&path, err) < 0 || check_path(path, err) < 0)
		return -1;
	if (access(path, F_OK) < 0 && make_key(path, err) < 0)
		return -1;
	if (check_private(path, err) < 0 || read_public(path, ret_public_text, err) < 0)
		return -1;
	*ret_private_path = take_ptr(path);
	return 0;
}
