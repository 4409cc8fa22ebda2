/*
 * What libvirt asks of the hook: four arguments and the domain's XML on stdin.
 */
#ifndef HOOK_REQUEST_H
#define HOOK_REQUEST_H

#include "hook/frozen.h"
#include "hook/protocol.h"

/* Larger ones are not parsed; nor read at all beyond the second size, for nobody has such. */
#define DOMAIN_XML_MAX	(1024 * 1024)
#define DOMAIN_READ_MAX (16 * 1024 * 1024)

struct request {
	const char *domain;    /* borrowed */
	const char *operation; /* "prepare", "start", … */
	const char *phase;     /* "begin", "end" or "-" */
	bool ours;	       /* false: nothing below is set */
	struct metadata metadata;
	struct frozen frozen; /* what lies below its disk */
};

/*
 * Reads @xml and decides whose domain it is. EX_NOPERM or EX_DATAERR when it is ours, or looks like
 * ours, and must not run as it is. Pure.
 */
MUST_CHECK int request_parse(const char *domain, const char *xml, size_t length,
			     struct request *ret_request, struct error *err);
void request_done(struct request *request);
#define _cleanup_request_ _cleanup_(request_done)

/* The sandbox's name of a domain, borrowed, or NULL when no sandbox can be called so. */
const char *request_sandbox(const char *domain);

#endif
