/*
 * What our parser makes of the wg-quick file on stdin, for tests that compare it with wg(8):
 * `wireguard_text canonical` or `wireguard_text setconf`. Exits with 65 and the error on stderr.
 */
#include <stdio.h>

#include "base/file.h"
#include "base/text.h"
#include "tunnel/wireguard.h"

int main(int argc, char **argv)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_wireguard_text_ struct strbuf output = STRBUF_INIT;
	_cleanup_wireguard_ struct wireguard wireguard = {0};
	_cleanup_free_ char *text = NULL;
	size_t length = 0;

	if (argc != 2)
		return EX_USAGE;
	if (file_read_fd(STDIN_FILENO, WIREGUARD_FILE_MAX + 1, &text, &length, &err) < 0 ||
	    wireguard_parse(text, length, "stdin", &wireguard, &err) < 0) {
		fprintf(stderr, "%s: %s\n", err.place ? err.place : "", err.message);
		return err.code;
	}
	if (text_equal(argv[1], "canonical"))
		wireguard_write(&wireguard, &output);
	else
		wireguard_write_setconf(&wireguard, false, &output);
	fputs(strbuf_text(&output), stdout);
	return 0;
}
