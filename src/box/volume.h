/*
 * The XML by which libvirt's storage API makes and describes a volume. Pure text.
 */
#ifndef BOX_VOLUME_H
#define BOX_VOLUME_H

#include <stdint.h>

#include "base/error.h"

struct volume {
	const char *name;
	const char *format; /* raw or qcow2 */
	uint64_t capacity;  /* bytes */
	unsigned int mode;  /* permission bits; the owner is root */
	unsigned int group;
	const char *backing_path;   /* absolute path of the base, or NULL */
	const char *backing_format; /* its format: never left to be probed */
};

/* The <volume> document; the caller frees. */
char *volume_xml(const struct volume *volume);

/* What libvirt says about a volume that exists. */
struct volume_facts {
	uint64_t stored; /* length of its file in bytes */
	unsigned int mode;
	unsigned int owner, group;
	char *modified, *changed; /* mtime and ctime, seconds with a fraction; or NULL */
	char *backing_path;	  /* or NULL */
};

/* Reads a <volume> document. EX_SOFTWARE when it is not what libvirt documents. */
MUST_CHECK int volume_parse(const char *xml, struct volume_facts *ret_facts, struct error *err);

void volume_facts_done(struct volume_facts *facts);
#define _cleanup_volume_facts_ _cleanup_(volume_facts_done)

#endif
