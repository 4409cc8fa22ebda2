/*
 * mmdebstrap's command line and its run. Private to the room.
 */
#ifndef BOX_DEBSTRAP_H
#define BOX_DEBSTRAP_H

#include "box/description.h"
#include "box/sources.h"

#define DEBIAN_KEYRING "/usr/share/keyrings/debian-archive-keyring.gpg"

struct debstrap {
	const struct description *description;
	const char *scripts;	    /* directory of the recipe's own hook scripts */
	const char *image_script;   /* makes the file system; installed with migrant */
	const char *const *options; /* apt's, "Acquire::…;", NULL-terminated */
	const struct sources *sources;
	bool as_root;
	int image, kernel, initrd; /* descriptors of scratch files, filled by the run */
};

/* The argument vector, pure but for the names of our descriptors; free_list() frees. */
char **debstrap_argv(const struct debstrap *debstrap);

/* Runs it, showing its steps. A signal ends it in time for its own cleanup. */
MUST_CHECK int debstrap_run(const struct debstrap *debstrap, struct error *err);

/* Those of `apt-config dump`'s lines that say how this host reaches its mirrors. Pure. */
char **debstrap_apt_options(const char *dump);

#endif
