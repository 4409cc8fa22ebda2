/*
 * Waiting for libvirt by its events: one event loop for the process, no timers that poll.
 */
#ifndef DOMAIN_WAIT_H
#define DOMAIN_WAIT_H

#include <libvirt/libvirt.h>
#include <stdbool.h>

#include "base/error.h"

/* Registers libvirt's event loop. Before the first libvirt_connect(); may be called again. */
void wait_init(void);

/*
 * Handles events until @done says so (it is asked before each wait). EX_TEMPFAIL when @seconds have
 * passed before (0: no limit), 128+signal when interrupted (base/interrupt.h), EX_UNAVAILABLE when
 * the daemon went away.
 */
MUST_CHECK int wait_until(virConnectPtr connection, bool (*done)(void *data), void *data,
			  unsigned int seconds, struct error *err);

/* What happens to a domain while it is watched; it must not move in memory meanwhile. */
struct watch {
	virConnectPtr connection; /* referenced */
	virDomainPtr domain;	  /* referenced */
	int callbacks[2];	  /* ids at libvirt; -1: none */
	/* Set by events: */
	bool stopped;	 /* the guest does not run any more */
	int stop_detail; /* virDomainEventStoppedDetailType */
	bool io_error;	 /* paused by error_policy='stop': the host's disk is full */
	bool device_removed;
};

#define WATCH_INIT                      \
	{                               \
		.callbacks = { -1, -1 } \
	}

/* Begins to watch. EX_SOFTWARE when libvirt refuses. */
MUST_CHECK int watch_begin(struct watch *watch, virDomainPtr domain, struct error *err);
void watch_end(struct watch *watch);
#define _cleanup_watch_ _cleanup_(watch_end)

/* Why the guest stopped, in words. */
const char *watch_stop_reason(const struct watch *watch);

#endif
