/* Whose a domain is and whether it may run, from XML that anybody in group libvirt may write. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hook/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	_cleanup_request_ struct request request = {0};
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = malloc(length + 1);

	if (!text)
		abort();
	memcpy(text, bytes, length);
	text[length] = '\0';
	if ((request_parse("migrant-claude", text, length, &request, &err) == 0) ==
	    error_is_set(&err))
		abort();
	/* What is let through as ours has the devices of one sandbox and its name. */
	if (request.ours && strcmp(request.metadata.name, "claude") != 0)
		abort();
	return 0;
}
