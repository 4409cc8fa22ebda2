/*
 * Prints a manual page, when migrant is built: `migrant-manual 1` or `migrant-manual 5`. A program
 * of its own, which is not installed, so that migrant needs no command for it.
 */
#include <stdio.h>

#include "base/text.h"
#include "command/manual.h"

extern const char manual_example[];

int main(int argc, char **argv)
{
	_cleanup_strbuf_ struct strbuf page = STRBUF_INIT;

	if (argc == 2 && text_equal(argv[1], "1"))
		manual_of_commands(&page);
	else if (argc == 2 && text_equal(argv[1], "5"))
		manual_of_migrantfile(manual_example, &page);
	else
		return 64;
	fputs(strbuf_text(&page), stdout);
	return fflush(stdout) == 0 ? 0 : 74;
}
