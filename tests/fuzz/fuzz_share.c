/*
 * What the share room reads: root's own files, the kernel's mountinfo, and the command line that
 * libvirt gives to virtiofsd. The first byte says which.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/mount.h"
#include "base/text.h"
#include "share/description.h"
#include "share/made.h"
#include "share/serve.h"

#define ARGUMENTS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static int read_description(const char *text, struct error *err)
{
	_cleanup_description_ struct description description = {0};
	_cleanup_description_ struct description again = {0};
	_cleanup_free_ char *written = NULL;

	if (description_parse(text, &description, err) < 0)
		return -1;
	written = description_format(&description);
	if (description_parse(written, &again, err) < 0)
		abort();
	return 0;
}

static int read_made(const char *text, struct error *err)
{
	_cleanup_made_ struct made_list list = {0};

	return made_parse(text, &list, err);
}

static int read_mounts(const char *text, struct error *err)
{
	_cleanup_mounts_ struct mount_list list = {0};

	return mount_list_parse(text, &list, err);
}

/* One argument on each line. */
static int read_arguments(const char *text, struct error *err)
{
	_cleanup_(serving_done) struct serving serving = {0};
	_cleanup_free_ char *copy = text_format("x\n%s", text);
	char *arguments[ARGUMENTS_MAX] = {0};
	char *next = copy;
	int count = 0;

	while (next && count < ARGUMENTS_MAX) {
		arguments[count++] = next;
		next = strchr(next, '\n');
		if (next)
			*next++ = '\0';
	}
	return serving_parse(count, arguments, &serving, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static int (*const readers[])(const char *text, struct error *err) = {
		read_description, read_made, read_mounts, read_arguments};
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = NULL;

	if (!length)
		return 0;
	text = text_dup_n((const char *)bytes + 1, length - 1);
	if ((readers[bytes[0] % ARRAY_SIZE(readers)](text, &err) == 0) == error_is_set(&err))
		abort();
	return 0;
}
