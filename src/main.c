/*
 * The program's edge: runs the command, prints the one error, chooses the exit status. Nothing
 * below prints an error or exits.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "command/command.h"

/*
 * A stream that the caller closed would be the number of the next file that we open, and a message
 * would go into it. Opened for reading, it fails a write as a closed one does.
 */
static void keep_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* `migrant logs | head`: who wanted no more is not told of an error. */
static bool reader_has_gone(void)
{
	struct pollfd output = {.fd = STDOUT_FILENO};

	return poll(&output, 1, 0) == 1 && (output.revents & POLLERR);
}

/* Results that did not reach their reader are no success. */
static int check_output(struct error *err)
{
	if (fflush(stdout) == EOF)
		return error_errno(err, EX_IOERR, "cannot write the output");
	if (ferror(stdout)) /* an earlier write; its errno is lost */
		return error_set(err, EX_IOERR, "cannot write the output");
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	int status;

	keep_streams();
	signal(SIGPIPE, SIG_IGN);
	status = command_main(argc, (const char *const *)argv, &err);
	if (!error_is_set(&err) && check_output(&err) < 0) {
		status = err.code;
		if (reader_has_gone())
			return 128 + SIGPIPE;
	}
	if (error_is_set(&err))
		log_error(&err);
	return status;
}
