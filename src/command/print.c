/*
 * JSON goes to programs, and as often to the terminal of somebody who tries the command out; the
 * strings in it may come from a guest, and json-c escapes no more than JSON wants.
 */
#include "command/print.h"

#include <stdio.h>

#include "base/text.h"

void json_print(json_object *document)
{
	const char *text = json_object_to_json_string_ext(
		document, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	_cleanup_free_ char *safe = text_escape_json(text);

	puts(safe);
}
