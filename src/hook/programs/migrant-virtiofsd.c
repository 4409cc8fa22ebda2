/*
 * migrant-virtiofsd: what a sandbox's domain names as its virtiofsd. Started by libvirt as root;
 * see share/serve.c.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "hook/protocol.h"
#include "share/serve.h"

int main(int argc, char **argv)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct serving serving;

	umask(0);
	if (chdir("/") < 0 || geteuid() != 0)
		error_set(&err, EX_NOPERM, "migrant-virtiofsd is libvirt's to start");
	else if (serving_parse(argc, argv, &serving, &err) == 0)
		(void)!serve(&serving, &err);
	hook_error_print(&err);
	return err.code ? err.code : EX_SOFTWARE;
}
