/*
 * boxes/NAME.yaml: where a box comes from and how it boots. See docs/boxes.md.
 */
#ifndef BOX_DESCRIPTION_H
#define BOX_DESCRIPTION_H

#include "box/digest.h"
#include "box/inspect.h"
#include "config/config.h"
#include "config/yaml.h"

struct description {
	char *name; /* the file's name without .yaml */
	char *file; /* its path */
	char *summary;
	char *login; /* the user that the image's vendor makes, for people; or NULL */
	enum image_format format;
	char *firmware; /* "bios" or "uefi"; NULL with a kernel */
	char *cmdline;	/* with a kernel */

	/* source: a published image */
	char *url;	 /* NULL: a recipe */
	char *checksum;	 /* "sha256:…" or "sha512:…", or NULL */
	char *checksums; /* URL of a file of checksums, or NULL; one of the two is there */
	char *signature; /* URL of a detached signature of that file, or "inline", or NULL */
	char *keyring;	 /* path of the keyring on the host that checks it; with signature */
	char *package;	 /* the package that brings the keyring, for the hint; or NULL */

	/* recipe: built on the spot; always with a kernel */
	char *suite; /* NULL: a source */
	char **packages;
	uint64_t size; /* of the root file system, bytes */
};

/* Parses and validates; @name is the box's, @source names the file. Pure. EX_CONFIG with place. */
MUST_CHECK int description_parse(const struct source *source, const char *name,
				 struct description *ret_description, struct error *err);

/*
 * Reads the description of the built-in box @name, or the file at the path @name. EX_NOINPUT when
 * there is none, with the names that are known.
 */
MUST_CHECK int description_load(const char *name, struct description *ret_description,
				struct error *err);

/* Names of the built-in boxes, sorted, NULL-terminated. */
char **description_names(void);

void description_done(struct description *description);
#define _cleanup_description_ _cleanup_(description_done)

#endif
