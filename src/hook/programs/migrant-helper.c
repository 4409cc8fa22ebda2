/*
 * migrant-helper VERB [NAME]: set-uid root, for members of group libvirt. Does what its table of
 * verbs lists, for sandboxes of the calling user. See hook/verbs.h.
 */
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "hook/protocol.h"
#include "hook/reset.h"
#include "hook/verbs.h"

/* Root altogether, not just in effect: so that no child can be sent signals by the caller. */
static int become_root(struct error *err)
{
	const gid_t none[] = {0};

	if (geteuid() != 0)
		return error_set(err, EX_NOPERM, "migrant-helper is not set-uid root");
	if (setgroups(1, none) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_errno(err, EX_OSERR, "cannot become root");
	return 0;
}

/*
 * The host's mounts, for who calls may have others (a namespace of a session, of a package): what
 * is mounted or looked at is meant there.
 */
static int enter_host_mounts(struct error *err)
{
	_cleanup_close_ int fd = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
	struct stat host, own;

	if (fd < 0 || fstat(fd, &host) < 0 || stat("/proc/self/ns/mnt", &own) < 0)
		return error_errno(err, EX_OSERR, "cannot tell which mounts are the host's");
	if (host.st_ino == own.st_ino && host.st_dev == own.st_dev)
		return 0;
	if (setns(fd, CLONE_NEWNS) < 0 || chdir("/") < 0)
		return error_errno(err, EX_OSERR, "cannot enter the host's mount namespace");
	return 0;
}

static int run(int argc, char **argv, struct strbuf *output, struct error *err)
{
	struct verb_call call = {.caller = getuid(), .input = STDIN_FILENO};

	if (argc != 2 && argc != 3)
		return error_set(err, EX_USAGE, "usage: migrant-helper VERB [NAME]");
	if (become_root(err) < 0 || enter_host_mounts(err) < 0)
		return -1;
	call.verb = argv[1];
	call.name = argc == 3 ? argv[2] : NULL;
	if (verb_run(&call, output, err) < 0)
		return -1;
	if (file_write_fd(STDOUT_FILENO, output->text, output->length) < 0)
		return error_errno(err, EX_IOERR, "cannot write the answer");
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_strbuf_ struct strbuf output = STRBUF_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;

	reset_process();
	if (run(argc, argv, &output, &err) == 0)
		return 0;
	hook_error_print(&err);
	return err.code ? err.code : EX_SOFTWARE;
}
