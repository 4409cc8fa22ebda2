/*
 * Where a sandbox is not as its Migrantfile says by now, and the command that makes it so. None of
 * it breaks a promise (that is drift.h); all of it is said, so that nobody takes a changed line for
 * one that counts already.
 */
#ifndef COMMAND_OUTDATED_H
#define COMMAND_OUTDATED_H

#include "command/project.h"

/* What is known of a sandbox besides its definition. */
struct outdated_facts {
	bool runs;	       /* or is paused, or its memory is saved: it goes on as it is */
	uint32_t cpus;	       /* as it runs */
	uint64_t memory, disk; /* bytes; disk 0: not known */
	bool policy_differs, tunnel_differs, shares_differ;
};

/*
 * Pure: a line for each key that differs, NULL-terminated; the caller frees with free_list(). Of a
 * guest that does not run, what its next start takes from the Migrantfile anyway is not listed.
 */
char **outdated_compare(const struct config *config, const struct definition *definition,
			const struct outdated_facts *facts);

/* The same for a sandbox; an absent one has none. */
char **outdated_find(const struct project *project);

/* Says them, a line each. */
void outdated_say(const struct project *project);

#endif
