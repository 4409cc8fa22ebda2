/*
 * Writing XML, and small steps in a tree of it. Running out of memory, the one way in which
 * libxml2's writer fails, aborts.
 */
#ifndef DOMAIN_XML_H
#define DOMAIN_XML_H

#include <libxml/tree.h>
#include <libxml/xmlwriter.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* A document in memory; xml_writer_finish() gives its text and frees both. */
xmlTextWriterPtr xml_writer_new(xmlBufferPtr *ret_buffer);
char *xml_writer_finish(xmlTextWriterPtr writer, xmlBufferPtr buffer);

/* <name>, left open until xml_end(). */
void xml_start(xmlTextWriterPtr writer, const char *name);

/* <name key="value">, left open. */
void xml_open(xmlTextWriterPtr writer, const char *name, const char *key, const char *value);

/* Of the element that is open, before what is in it. */
void xml_attribute(xmlTextWriterPtr writer, const char *name, const char *value);

/* What is in the element that is open. */
void xml_text(xmlTextWriterPtr writer, const char *text);
void xml_text_number(xmlTextWriterPtr writer, uint64_t value);

void xml_end(xmlTextWriterPtr writer);

/* <name>text</name> */
void xml_element(xmlTextWriterPtr writer, const char *name, const char *text);

/* <name key="value"/>, or <name/> when @key is NULL. */
void xml_empty(xmlTextWriterPtr writer, const char *name, const char *key, const char *value);

/* <name unit="unit">value</name>; @unit may be NULL. */
void xml_number(xmlTextWriterPtr writer, const char *name, const char *unit, uint64_t value);

/* EX_DATAERR, which names @what, when XML cannot carry @text. NULL is fine. */
MUST_CHECK int xml_check_text(const char *what, const char *text, struct error *err);

/* Whether it is an element of that name, in no namespace. */
bool xml_is_named(const xmlNode *node, const char *name);

/* The first such element in @parent, or NULL; @parent may be NULL. */
xmlNode *xml_child(const xmlNode *parent, const char *name);

/* Takes a node out of its document. NULL is fine. */
void xml_drop(xmlNode *node);

#endif
