/*
 * What provisioners print, as it comes: whole lines, each with the provisioner's name in front and
 * nothing in it that could drive a terminal. Private to the room.
 */
#ifndef PROVISION_OUTPUT_H
#define PROVISION_OUTPUT_H

#include "base/strbuf.h"

struct output {
	const char *title; /* of the provisioner; borrowed */
	/* Looks at each line as it is, before it is shown; or NULL. */
	void (*look)(void *data, const char *line);
	void *data;
	struct strbuf pending; /* the line that has not ended */
};
#define _cleanup_output_ _cleanup_(output_done)

void output_add(struct output *output, const char *bytes, size_t length);

/* Shows what is left of the last line. */
void output_end(struct output *output);

void output_done(struct output *output);

#endif
