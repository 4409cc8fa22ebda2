/* What comes from the net before anybody vouched for it: an image's header, a file of checksums. */
#include <stdint.h>
#include <stdlib.h>

#include "base/text.h"
#include "box/checksum.h"
#include "box/inspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void try_image(const uint8_t *bytes, size_t length, enum image_format format)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	uint64_t size = 0;
	int result = image_check_header(bytes, length, (uint64_t)length << 12, format, &size, &err);

	if ((result == 0) == error_is_set(&err) || (result == 0 && size > IMAGE_VIRTUAL_MAX))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	_cleanup_free_ char *text = text_dup_n((const char *)bytes, length);
	_cleanup_error_ struct error err = ERROR_INIT;
	struct digest digest;

	if (length > IMAGE_HEADER_MAX)
		return 0;
	try_image(bytes, length, IMAGE_QCOW2);
	try_image(bytes, length, IMAGE_RAW);
	if ((checksum_find(text, "box.qcow2", &digest, &err) == 0) == error_is_set(&err))
		abort();
	return 0;
}
