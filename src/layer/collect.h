/*
 * Gathers the inputs of a layer from the project's files: bounded in number, bytes and depth, and
 * without following a link out of the directory that holds them.
 */
#ifndef LAYER_COLLECT_H
#define LAYER_COLLECT_H

#include "config/config.h"
#include "layer/inputs.h"
#include "network/wire.h"

/*
 * Raised with each change of what migrant itself writes into a guest at its first boot.
 */
#define LAYER_SEED_FORMAT 2

/* What counts besides the Migrantfile and the files that it names. All borrowed. */
struct layer_context {
	const char *box_digest;
	const char *cmdline;	/* how the guest boots, or NULL */
	const char *public_key; /* what may log in */
	const struct wire *wire;
	uid_t owner;
};

/*
 * *ret_inputs is sorted. What cannot be hashed (too much, a link that leads out, a socket) sets its
 * refusal and is no error: there is then no layer. EX_NOINPUT when a file that the Migrantfile
 * names is not there, EX_IOERR.
 */
MUST_CHECK int layer_collect(const struct config *config, const struct layer_context *context,
			     struct layer_inputs *ret_inputs, struct error *err);

#endif
