/*
 * The program's edge: runs the command, prints the one error, chooses the exit status. Nothing
 * below prints an error or exits.
 */
#include <signal.h>
#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "command/command.h"

int main(int argc, char **argv)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	int status;

	signal(SIGPIPE, SIG_IGN);
	status = command_main(argc, (const char *const *)argv, &err);
	if (fflush(stdout) == EOF && !error_is_set(&err)) {
		error_errno(&err, EX_IOERR, "cannot write the output");
		status = err.code;
	}
	if (error_is_set(&err))
		log_error(&err);
	return status;
}
