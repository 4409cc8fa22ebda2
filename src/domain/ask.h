/*
 * Calls of libvirt that QEMU has to answer, with a limit.
 */
#ifndef DOMAIN_ASK_H
#define DOMAIN_ASK_H

#include <libvirt/libvirt.h>

#include "base/error.h"

struct ask;

/* Begins to call @function for the domain. Every ask is ended with ask_end(). */
struct ask *ask_begin(virDomainPtr handle, int (*function)(virDomainPtr handle));

/*
 * Waits for what was begun and returns what the function has returned. EX_TEMPFAIL when QEMU has
 * not answered within @seconds (then the call goes on in the daemon until QEMU answers or ends),
 * 128+signal when interrupted (base/interrupt.h); what libvirt refuses is EX_SOFTWARE.
 */
MUST_CHECK int ask_end(struct ask *ask, unsigned int seconds, const char *context,
		       struct error *err);

/* Both in one. */
MUST_CHECK int ask_now(virDomainPtr handle, int (*function)(virDomainPtr handle),
		       unsigned int seconds, const char *context, struct error *err);

/*
 * EX_TEMPFAIL when the QEMU of a running or paused domain does not answer within @seconds, or is
 * known not to have answered somebody else as long. Whatever else fails is no matter.
 */
MUST_CHECK int ask_answers(virDomainPtr handle, unsigned int seconds, struct error *err);

/* For what is done to a guest that is fine: more than a busy host needs. */
#define ASK_SECONDS 15

#endif
