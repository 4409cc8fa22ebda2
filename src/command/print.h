/* Results on stdout in a form that drives no terminal. */
#ifndef COMMAND_PRINT_H
#define COMMAND_PRINT_H

#include <json-c/json.h>

/*
 * One JSON document, indented, with a final newline. What text_escape() would not let through is
 * written as \uNNNN, which means the same to a reader.
 */
void json_print(json_object *document);

#endif
