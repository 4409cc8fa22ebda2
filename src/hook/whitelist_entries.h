/*
 * The rows of the whitelist, for whitelist.c.
 */
#ifndef HOOK_WHITELIST_ENTRIES_H
#define HOOK_WHITELIST_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>

#include "hook/protocol.h"

#define WHITELIST_MAX 256

/*
 * A path below <domain>: elements by name, attributes behind '@', text behind '='. An element's
 * path that ends in two stars stands for it and all that is below it.
 */
struct whitelist_entry {
	const char *path;
	bool (*check)(const char *value, const struct metadata *metadata);
	const char *exactly; /* the one value, instead of a check */
	unsigned int count;  /* of an element in the whole domain; 0: any number */
};
extern const struct whitelist_entry whitelist_entries[];
extern const size_t whitelist_entry_count;

/* Whether @path is a file in the pool's directory whose name begins with @prefix. */
bool whitelist_is_pool_file(const char *path, const char *prefix);

#endif
