/*
 * What a guest sends to `migrant cp`. Checksums of headers are put right, else hardly a change
 * would get past them. However the stream is cut, the outcome is the same; and nothing appears
 * outside the directory that it is unpacked into.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "copy/copy.h"

#define LENGTH_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void put_checksums_right(char *stream, size_t length)
{
	for (char *block = stream; length - (size_t)(block - stream) >= TAR_BLOCK;
	     block += TAR_BLOCK) {
		unsigned int sum = 0;
		char digits[8];

		if (memcmp(block + 257, "ustar", 5) != 0)
			continue;
		memset(block + 148, ' ', 8);
		for (size_t i = 0; i < TAR_BLOCK; i++)
			sum += (unsigned char)block[i];
		snprintf(digits, sizeof(digits), "%06o", sum);
		memcpy(block + 148, digits, 7);
	}
}

static size_t count_entries(int fd)
{
	_cleanup_closedir_ DIR *dir = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY));
	size_t count = 0;

	while (readdir(dir))
		count++;
	return count;
}

/* Returns the exit code. */
static int unpack_all(const char *stream, size_t length, size_t piece, const char *name)
{
	char path[] = "/tmp/migrant-fuzz-XXXXXX";
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_close_ int outer = -1, inner = -1;

	if (!mkdtemp(path))
		abort();
	outer = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(outer, "in", 0755) < 0)
		abort();
	inner = openat(outer, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	{
		_cleanup_unpack_ struct unpack unpack = UNPACK_INIT;
		int result = 0;

		unpack.top = inner;
		unpack.root = name ? "a" : ".";
		unpack.name = name;
		unpack.limits = (struct copy_limits){8, 4096};
		for (size_t at = 0; result == 0 && at < length; at += piece)
			result = unpack_take(&unpack, stream + at,
					     length - at < piece ? length - at : piece, &err);
		if (result == 0)
			result = unpack_end(&unpack, &err);
		if ((result == 0) == error_is_set(&err) || unpack.report.bytes > 4096 ||
		    unpack.report.files + unpack.report.directories + unpack.report.skipped > 8)
			abort();
	}
	if (count_entries(outer) != 3 || (name && count_entries(inner) > 3))
		abort();
	cleanup_close(&outer);
	if (file_remove_tree(AT_FDCWD, path, &err) < 0)
		abort();
	return err.code;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	_cleanup_free_ char *stream = NULL;

	if (length > LENGTH_MAX)
		return 0;
	stream = text_dup_n((const char *)bytes, length);
	put_checksums_right(stream, length);
	if (unpack_all(stream, length, 100, "a") != unpack_all(stream, length, 4096, "a"))
		abort();
	unpack_all(stream, length, 512, NULL);
	return 0;
}
