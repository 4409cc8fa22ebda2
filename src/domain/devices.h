/*
 * The <devices> of a domain.
 */
#ifndef DOMAIN_DEVICES_H
#define DOMAIN_DEVICES_H

#include <libxml/xmlwriter.h>

#include "domain/domain_xml.h"

/* All of a sandbox's. */
void devices_write(xmlTextWriterPtr writer, const struct domain_spec *spec);

/* The <source> of a disk and what lies below it; everything is borrowed. */
struct disk_source {
	const char *disk;
	const char *const *layers; /* topmost first, NULL-terminated; NULL: none */
	const char *base, *base_format;
	const char *below, *below_format; /* what a layer as base lies over, or NULL */
};
void devices_write_source(xmlTextWriterPtr writer, const struct disk_source *source);

/* The serial console; @log: the file that virtlogd keeps of it, or NULL. */
void devices_write_console(xmlTextWriterPtr writer, const char *log);

/* One <filesystem>, for the share @index of the sandbox @name, as a document. The caller frees. */
char *devices_share(const char *name, size_t index);

/* What libvirt would otherwise add by itself. */
void devices_write_absent(xmlTextWriterPtr writer);

#endif
