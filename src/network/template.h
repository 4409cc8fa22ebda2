/*
 * Rule texts with placeholders. A placeholder takes a typed value only, so that nothing a user or a
 * guest wrote can become part of a rule.
 */
#ifndef NETWORK_TEMPLATE_H
#define NETWORK_TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/parse.h"
#include "base/strbuf.h"

struct prefix_list {
	struct prefix *items;
	size_t count;
};
/* Adds a prefix with its host bits cleared. */
void prefix_list_add(struct prefix_list *list, const struct prefix *prefix);
/* Adds ranges that are written here in the source; one that does not parse aborts. */
void prefix_list_add_texts(struct prefix_list *list, const char *const *texts, size_t count);
void prefix_list_done(struct prefix_list *list);
#define _cleanup_prefix_list_ _cleanup_(prefix_list_done)

enum value_type {
	VALUE_ADDRESS, /* IPv4 */
	VALUE_ADDRESS6,
	VALUE_PREFIX,
	VALUE_PREFIXES,	 /* the IPv4 ones of a list */
	VALUE_PREFIXES6, /* the IPv6 ones */
	VALUE_MAC,
	VALUE_NUMBER,
	VALUE_LINK
};

struct value {
	const char *name; /* as in ${name} */
	enum value_type type;
	union {
		const struct address *address;
		const struct prefix *prefix;
		const struct prefix_list *prefixes; /* at least one of that family */
		const struct mac *mac;
		uint32_t number;
		const char *link; /* [a-z0-9-], at most 15 characters */
	};
};

/*
 * The text of @template with every ${name} replaced. A name without a value, or a value that is not
 * of its type, is a mistake in this program and aborts: half a rule set must never be loaded.
 */
void template_render(const char *template, const struct value *values, size_t count,
		     struct strbuf *output);

#endif
