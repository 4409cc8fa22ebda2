/*
 * ssh-keygen writes files only; they lie in a directory that only we can enter and that is gone
 * before the function returns.
 */
#include "provision/host_key.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/process.h"
#include "base/text.h"

#define KEY_MAX	    4096
#define KEY_SECONDS 60

static int generate(const char *path, struct error *err)
{
	const char *const argv[] = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "",
				    "-C",	  "",	"-f", path,	 NULL};
	struct process process = PROCESS_INIT;

	process.argv = argv;
	process.timeout = KEY_SECONDS;
	return process_run(&process, err);
}

/* "TYPE BASE64 comment\n" without what comes after the key. */
static void cut_comment(char *line)
{
	char *space = strchr(line, ' ');

	line[strcspn(line, "\n")] = '\0';
	space = space ? strchr(space + 1, ' ') : NULL;
	if (space)
		*space = '\0';
}

static int make_in(const char *directory, char **ret_private, char **ret_public, struct error *err)
{
	_cleanup_free_ char *path = text_format("%s/key", directory);
	_cleanup_free_ char *public_path = text_format("%s/key.pub", directory);
	char *private_text = NULL;
	char *public_text = NULL;

	if (generate(path, err) < 0 ||
	    file_read(AT_FDCWD, path, KEY_MAX, &private_text, NULL, err) < 0)
		return -1;
	if (file_read(AT_FDCWD, public_path, KEY_MAX, &public_text, NULL, err) < 0) {
		explicit_bzero(private_text, strlen(private_text));
		free(private_text);
		return -1;
	}
	cut_comment(public_text);
	free(*ret_private);
	free(*ret_public);
	*ret_private = private_text;
	*ret_public = public_text;
	return 0;
}

int host_key_make(char **ret_private, char **ret_public, struct error *err)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	const char *temporary = getenv("TMPDIR");
	_cleanup_free_ char *directory = text_format(
		"%s/migrant-XXXXXX", temporary && *temporary == '/' ? temporary : "/tmp");
	int result;

	if (!mkdtemp(directory)) /* mode 0700 */
		return error_errno(err, EX_CANTCREAT, "cannot make a temporary directory");
	result = make_in(directory, ret_private, ret_public, err);
	if (file_remove_tree(AT_FDCWD, directory, &ignored) < 0 && result == 0) {
		error_move(err, &ignored);
		result = -1;
	}
	return result < 0 ? error_prefix(err, "cannot make the guest's host key") : 0;
}
