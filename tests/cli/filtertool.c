/*
 * Stdin through the terminal filter to stdout, in pieces of a size that is given; with --table, the
 * table of docs/terminal.md.
 */
#include <stdio.h>

#include "base/text.h"
#include "terminal/filter.h"
#include "terminal/sequences.h"

int main(int argc, char **argv)
{
	const size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) : 4096;
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	struct filter filter;
	char chunk[65536];
	size_t got;

	if (argc > 1 && text_equal(argv[1], "--table")) {
		sequences_document(&out);
		return fputs(strbuf_text(&out), stdout) == EOF ? 74 : 0;
	}
	if (size == 0 || size > sizeof(chunk))
		return 64;
	filter_init(&filter, false);
	while ((got = fread(chunk, 1, size, stdin)) > 0)
		filter_add(&filter, chunk, got, &out);
	filter_end(&filter, &out);
	return fwrite(strbuf_text(&out), 1, out.length, stdout) == out.length ? 0 : 74;
}
