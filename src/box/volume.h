/*
 * The XML by which libvirt's storage API makes a volume. Pure text.
 */
#ifndef BOX_VOLUME_H
#define BOX_VOLUME_H

#include <stdint.h>

struct volume {
	const char *name;
	const char *format;	    /* raw or qcow2 */
	uint64_t capacity;	    /* bytes */
	unsigned int mode;	    /* permission bits; owner and group are root */
	const char *backing_path;   /* absolute path of the base, or NULL */
	const char *backing_format; /* its format: never left to be probed */
};

/* The <volume> document; the caller frees. */
char *volume_xml(const struct volume *volume);

#endif
