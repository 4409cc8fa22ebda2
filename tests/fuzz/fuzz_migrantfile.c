/* The Migrantfile's parser on arbitrary bytes. */
#include <stdint.h>
#include <stdlib.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	_cleanup_config_ struct config config = {0};
	_cleanup_error_ struct error err = ERROR_INIT;
	int result = config_parse("/home/user/project", "Migrantfile", (const char *)bytes, length,
				  &config, &err);

	if ((result == 0) == error_is_set(&err))
		abort();
	return 0;
}
