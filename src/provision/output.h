/*
 * What provisioners print, as it comes: whole lines, each with the provisioner's name in front and
 * nothing in it that could drive a terminal. Private to the room.
 */
#ifndef PROVISION_OUTPUT_H
#define PROVISION_OUTPUT_H

#include "base/error.h"
#include "base/process.h"
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

/*
 * Starts @process and shows both its streams until it ends; what it leaves running is not waited
 * for. Interrupted, or out of time (process->timeout), it gets SIGINT, then SIGKILL, with its
 * process group. *ret_status as process_wait() has it. EX_UNAVAILABLE without the program,
 * EX_TEMPFAIL, 128+signal.
 */
MUST_CHECK int output_run(struct output *output, struct process *process, int *ret_status,
			  struct error *err);

void output_done(struct output *output);

#endif
