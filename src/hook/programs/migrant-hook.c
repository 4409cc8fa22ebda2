/*
 * migrant-hook NAME OPERATION PHASE EXTRA: called by libvirtd as root for every operation of every
 * domain, with the domain's XML on stdin. Exit 0 lets it go on. See hook/stages.h.
 *
 * As `migrant-keeper --keeper NAME` it is the keeper that a hook starts: hook/keeper.h; with
 * `--ttl` what waits for the end of a sandbox's time: hook/ttl.h.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "base/version.h"
#include "hook/keeper.h"
#include "hook/protocol.h"
#include "hook/reset.h"
#include "hook/stages.h"
#include "hook/ttl.h"

int main(int argc, char **argv)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	reset_process();
	if (argc == 2 && text_equal(argv[1], "--version")) {
		printf("migrant-hook %s\n", MIGRANT_VERSION);
		return fflush(stdout) == EOF ? EX_IOERR : 0;
	}
	if (argc == 3 && text_equal(argv[1], KEEPER_OPTION)) {
		(void)!keeper_main(argv[2], &err);
		hook_error_print(&err);
		return err.code;
	}
	if (argc == 4 && text_equal(argv[1], TTL_OPTION))
		return ttl_main(argv[2], argv[3], &err) < 0 ? err.code : 0;
	if (argc < 4) {
		error_set(&err, EX_USAGE, "usage: migrant-hook DOMAIN OPERATION PHASE EXTRA");
		hook_error_print(&err);
		return EX_USAGE;
	}
	if (stage_run(argv[1], argv[2], argv[3], STDIN_FILENO, &err) == 0)
		return 0;
	hook_error_print(&err);
	return err.code;
}
