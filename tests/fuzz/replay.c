/*
 * Stands in for libFuzzer's main where the build has none: feeds every file of the corpus to the
 * fuzz target, so that what was once found stays found, with every compiler and sanitizer.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>

#include "base/file.h"
#include "base/text.h"

#define INPUT_MAX (16U << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static int replay(const char *directory)
{
	_cleanup_closedir_ DIR *dir = opendir(directory);
	struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir))) {
		_cleanup_free_ char *path = text_format("%s/%s", directory, entry->d_name);
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ char *text = NULL;
		_cleanup_free_ uint8_t *exact = NULL;
		size_t length;

		if (entry->d_name[0] == '.')
			continue;
		if (file_read(AT_FDCWD, path, INPUT_MAX, &text, &length, &err) < 0) {
			fprintf(stderr, "%s\n", err.message);
			return -1;
		}
		exact = xcalloc(length, 1); /* no NUL behind it, so that ASan sees a read too far */
		memcpy(exact, text, length);
		LLVMFuzzerTestOneInput(exact, length);
		count++;
	}
	return count;
}

int main(int argc, char **argv)
{
	int count = argc == 2 ? replay(argv[1]) : -1;

	printf("%d inputs\n", count);
	return count > 0 ? 0 : 1; /* an empty corpus is an error */
}
