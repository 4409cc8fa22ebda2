/*
 * Functions that do not compile here (the idea is git's banned.h): unbounded string functions,
 * shells, and libxml2 calls that do not escape. The build includes this before everything else, so
 * the headers that declare them come first.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if __has_include(<libxml/xmlwriter.h>)
#include <libxml/tree.h>
#include <libxml/xmlwriter.h>
#endif

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets
#pragma GCC poison system popen
#pragma GCC poison strtok asctime ctime tmpnam mktemp tempnam
#pragma GCC poison xmlNewChild xmlTextWriterWriteRaw xmlTextWriterWriteRawLen

#endif
