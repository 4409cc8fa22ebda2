/*
 * Another policy for a sandbox that runs.
 */
#ifndef HOOK_APPLY_H
#define HOOK_APPLY_H

#include "hook/protocol.h"

/* Reads the <migrant:sandbox> element that is all of @xml. EX_DATAERR. Pure. */
MUST_CHECK int apply_read(const char *xml, size_t length, struct metadata *ret_metadata,
			  struct error *err);

/*
 * Reads the <migrant:sandbox> element in @xml, which must speak of the sandbox that @record is of:
 * the same name, UUID, owner, directory and wire. EX_DATAERR, EX_NOPERM; EXIT_STATE for a sandbox
 * that an older hook has started. Pure.
 */
MUST_CHECK int apply_parse(const char *xml, size_t length, const struct record *record,
			   struct metadata *ret_metadata, struct error *err);

/*
 * Puts the policy in @xml into force: the rules in one transaction, then DNS and the keeper, then
 * the record. Adds its canonical form to @policy. EXIT_STATE when the sandbox does not run. On
 * failure the policy from before is put back; the error says what is in force.
 */
MUST_CHECK int apply_policy(const char *name, const char *xml, size_t length, struct strbuf *policy,
			    struct error *err);

/*
 * After a change that was cut short: puts the policy from before it into force again, as a whole.
 * Nothing is done when there was none.
 */
MUST_CHECK int apply_finish(const struct metadata *metadata, const struct record *record,
			    struct error *err);

#endif
