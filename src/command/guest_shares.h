/*
 * Shares leave the guest before its memory is saved, and come back afterwards: QEMU saves no guest
 * that has one.
 */
#ifndef COMMAND_GUEST_SHARES_H
#define COMMAND_GUEST_SHARES_H

#include "command/project.h"

/*
 * Lets the running guest unmount its shares and takes them out of it. EX_TEMPFAIL when the guest
 * does not let go of one, EXIT_STATE when it is paused; it has all of them again then, as far as it
 * wants them.
 */
MUST_CHECK int guest_shares_release(const struct project *project, struct error *err);

/* Plugs them in again; those that are there are fine. EX_SOFTWARE. */
MUST_CHECK int guest_shares_attach(const struct project *project, struct error *err);

/* Lets the running guest mount them; those that are mounted are fine. EX_SOFTWARE. */
MUST_CHECK int guest_shares_mount(const struct project *project, const struct guest_access *access,
				  struct error *err);

/* Both, for a guest that goes on as it was; what does not work is said. */
void guest_shares_put_back(const struct project *project);

/* The same for a running guest from which an earlier command, which was killed, has taken any. */
void guest_shares_repair(const struct project *project);

#endif
