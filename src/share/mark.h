/*
 * What a sandbox's loop devices are called: by this they are found, whoever died while making them.
 */
#ifndef SHARE_MARK_H
#define SHARE_MARK_H

#include "share/loop.h"

/* "migrant:NAME/INDEX/OWNER" */
void mark_format(const char *name, size_t index, uid_t owner, char mark[LOOP_MARK_MAX]);

/*
 * The numbers of the devices of sandbox @name, the caller's to free(), and whose they are:
 * *ret_owner is untouched when there is none.
 */
MUST_CHECK int mark_find(const char *name, unsigned int **ret_numbers, size_t *ret_count,
			 uid_t *ret_owner, struct error *err);

#endif
