/*
 * Lifecycle hooks: programs of the user's that run on the host around `up` and the commands that
 * end a sandbox. What they are told is a few words of environment.
 */
#ifndef PROVISION_LIFECYCLE_H
#define PROVISION_LIFECYCLE_H

#include "base/error.h"
#include "config/config.h"

#define LIFECYCLE_SECONDS 300

struct lifecycle_event {
	const char *hook;     /* "pre-up", "post-up", "pre-down", "post-down" */
	const char *trigger;  /* the command that it is run for: "halt" */
	const char *address;  /* of the running guest (MIGRANT_IP), or NULL */
	unsigned int seconds; /* until it is ended */
};

/*
 * Runs the hook, if there is one, with its output on stderr as it comes. EX_SOFTWARE when it ends
 * with another status than 0, EX_TEMPFAIL when it takes too long, 128+signal when interrupted;
 * errors as config_find_hook().
 */
MUST_CHECK int lifecycle_run(const struct config *config, const struct lifecycle_event *event,
			     struct error *err);

#endif
