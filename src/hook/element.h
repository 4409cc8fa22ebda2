/*
 * Single XML elements of our namespace: writing that escapes, and reading that takes nothing but
 * what was asked for.
 */
#ifndef HOOK_ELEMENT_H
#define HOOK_ELEMENT_H

#include <libxml/tree.h>
#include <libxml/xmlwriter.h>
#include <stdbool.h>

#include "base/error.h"

#define ELEMENT_TEXT_MAX 4096 /* bytes of any one value */

/* Writing. Aborts when memory runs out, for which alone it can fail. */
void element_start(xmlTextWriterPtr writer, const char *name, const char *uri); /* NULL: no URI */
void element_end(xmlTextWriterPtr writer);
void element_write_text(xmlTextWriterPtr writer, const char *name, const char *text);
void element_write_attribute(xmlTextWriterPtr writer, const char *name, const char *value);
void element_write_number(xmlTextWriterPtr writer, const char *name, unsigned int number);

/* True for an element of our namespace. */
bool element_is_ours(const xmlNode *node);

/* The name without the prefix, borrowed. */
const char *element_name(const xmlNode *node);

/* Copies the text inside an element that may hold nothing but text. EX_DATAERR. */
MUST_CHECK int element_text(const xmlNode *node, char **ret_text, struct error *err);

/* The value of attribute @name, borrowed; NULL when it is absent or not plain text. */
const char *element_attribute(const xmlNode *node, const char *name);

/* Demands exactly @count attributes; which ones, element_attribute() finds out. EX_DATAERR. */
MUST_CHECK int element_expect_attributes(const xmlNode *node, size_t count, struct error *err);

#endif
