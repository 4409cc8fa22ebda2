/*
 * Reading the files by which vendors publish checksums. They come from the net: anything that is
 * not understood in a line makes the line one that says nothing.
 */
#include "box/checksum.h"

#include <string.h>

#include "base/text.h"

int checksum_parse(const char *text, struct digest *ret_digest)
{
	struct digest digest;

	if (!text_starts(text, "sha256:") && !text_starts(text, "sha512:"))
		return -1;
	if (digest_parse(text + 7, strlen(text + 7), &digest) < 0 ||
	    digest.kind != (text[4] == '1' ? DIGEST_SHA512 : DIGEST_SHA256))
		return -1;
	*ret_digest = digest;
	return 0;
}

/* True when @name of @length bytes, perhaps with directories before it, is @file. */
static bool is_file(const char *name, size_t length, const char *file)
{
	size_t tail = strlen(file);

	if (length < tail || memcmp(name + length - tail, file, tail) != 0)
		return false;
	return length == tail || name[length - tail - 1] == '/';
}

/* "SHA256 (FILE) = HEX", as the BSDs and Fedora write it. */
static bool read_bsd(const char *line, size_t length, const char *file, struct digest *digest)
{
	static const char middle[] = ") = ";
	const char *close = memmem(line, length, middle, sizeof(middle) - 1);
	const char *hex = close ? close + sizeof(middle) - 1 : NULL;

	if (!close || length < 8 ||
	    (memcmp(line, "SHA256 (", 8) != 0 && memcmp(line, "SHA512 (", 8) != 0))
		return false;
	if (close < line + 8 || !is_file(line + 8, (size_t)(close - line) - 8, file))
		return false;
	return digest_parse(hex, (size_t)(line + length - hex), digest) == 0 &&
	       digest->kind == (line[4] == '1' ? DIGEST_SHA512 : DIGEST_SHA256);
}

/* "HEX  FILE" or "HEX *FILE", as sha256sum(1) writes it. */
static bool read_gnu(const char *line, size_t length, const char *file, struct digest *digest)
{
	const char *space = memchr(line, ' ', length);
	size_t hex = space ? (size_t)(space - line) : length;

	if (!space || length < hex + 2 || (line[hex + 1] != ' ' && line[hex + 1] != '*'))
		return false;
	return is_file(line + hex + 2, length - hex - 2, file) &&
	       digest_parse(line, hex, digest) == 0;
}

int checksum_find(const char *text, const char *file, struct digest *ret_digest, struct error *err)
{
	size_t whole = strspn(text, "0123456789abcdefABCDEF");
	struct digest found = {0}, digest;
	bool is_found = false;

	if (strspn(text + whole, " \r\n") == strlen(text + whole) &&
	    digest_parse(text, whole, ret_digest) == 0)
		return 0;
	for (const char *line = text; *line; line += *line == '\n') {
		size_t size = strcspn(line, "\n");
		size_t length = size && line[size - 1] == '\r' ? size - 1 : size;

		if (read_gnu(line, length, file, &digest) ||
		    read_bsd(line, length, file, &digest)) {
			if (is_found && !digest_equal(&found, &digest))
				return error_set(err, EX_DATAERR,
						 "the checksums name %s twice, differently", file);
			found = digest;
			is_found = true;
		}
		line += size;
	}
	if (!is_found)
		return error_set(err, EX_DATAERR, "the checksums do not name %s", file);
	*ret_digest = found;
	return 0;
}
