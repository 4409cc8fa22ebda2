/*
 * One thing that is tried: how it is written, where it goes, and what came of it.
 */
#ifndef PROBE_TARGET_H
#define PROBE_TARGET_H

#include <netinet/in.h>
#include <stdint.h>

#include "base/error.h"

enum way {
	WAY_TCP,
	WAY_UDP,
	WAY_ECHO,
	WAY_RAW,   /* a packet of another protocol */
	WAY_FRAME, /* as it is, onto the wire */
};

enum result {
	RESULT_NONE, /* none yet */
	RESULT_OPEN,
	RESULT_ANSWERED,
	RESULT_SENT, /* nothing can come back */
	RESULT_TIMEOUT,
	RESULT_UNREACHABLE, /* @number: the code that ICMP gave */
	RESULT_ERROR,	    /* @number: errno */
};

struct answer {
	enum result result;
	int number;
};

#define TALLY_MAX 8

struct target {
	const char *text; /* borrowed: as it was written */
	enum way way;
	int protocol; /* WAY_RAW */
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	socklen_t address_length;
	uint8_t *frame; /* WAY_FRAME */
	size_t frame_length;

	struct answer answer; /* of this round */
	struct {
		struct answer answer;
		uint64_t count;
	} tallies[TALLY_MAX]; /* of all rounds */
	size_t tally_count;
};

/*
 * Reads "tcp ADDRESS PORT", "udp ADDRESS PORT", "icmp ADDRESS 0", "PROTOCOL-NUMBER ADDRESS 0" or
 * "frame HEX". An IPv6 address may have a scope (fe80::1%eth0). EX_USAGE otherwise.
 */
MUST_CHECK int target_parse(const char *text, struct target *ret_target, struct error *err);
void target_done(struct target *target);

/* Counts the round's answer; kinds of answers beyond TALLY_MAX are left out. */
void target_count(struct target *target);

/* "open", "answered", "sent", "timeout", "unreachable CODE" or an error's text. The caller frees.
 */
char *answer_text(const struct answer *answer);

#endif
