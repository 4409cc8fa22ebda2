/*
 * Policies at random, for tests that say something about every policy. Bytes decide; a fuzzer
 * chooses them, or a generator of numbers.
 */
#ifndef POLICY_DRAW_H
#define POLICY_DRAW_H

#include <stddef.h>
#include <stdint.h>

#include "network/policy.h"
#include "tunnel/tunnel.h"

/* Where choices come from; at its end everything is 0. */
struct draw {
	const uint8_t *bytes;
	size_t length, at;
};

/* Any policy that the struct can hold, most of them odd; policy_validate() says which are good. */
void draw_policy(struct draw *draw, struct policy *ret_policy);

/* Any tunnel; tunnel_validate() says whether it is good. */
void draw_tunnel(struct draw *draw, struct tunnel *ret_tunnel);

#endif
