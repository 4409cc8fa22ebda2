/* A box description on arbitrary bytes: it decides what is fetched, trusted and booted. */
#include <stdint.h>
#include <stdlib.h>

#include "box/description.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const struct source source = {
		.file = "box.yaml", .text = (const char *)bytes, .length = length};
	_cleanup_description_ struct description description = {0};
	_cleanup_error_ struct error err = ERROR_INIT;
	int result = description_parse(&source, "box", &description, &err);

	if ((result == 0) == error_is_set(&err))
		abort();
	/* what was accepted can be acted upon */
	if (result == 0 && (!description.summary || !description.url == !description.suite ||
			    (description.url && !description.checksum == !description.checksums)))
		abort();
	return 0;
}
