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
/* Adds one address as a prefix of its full length. */
void prefix_list_add_address(struct prefix_list *list, const struct address *address);
/* Adds a prefix with its host bits cleared. */
void prefix_list_add(struct prefix_list *list, const struct prefix *prefix);
void prefix_list_add_all(struct prefix_list *list, const struct prefix_list *more);
/* Takes one address out: a prefix that has it becomes those that have its other addresses. */
void prefix_list_subtract(struct prefix_list *list, const struct address *address);
/* Adds ranges that are written here in the source; one that does not parse aborts. */
void prefix_list_add_texts(struct prefix_list *list, const char *const *texts, size_t count);
void prefix_list_done(struct prefix_list *list);
#define _cleanup_prefix_list_ _cleanup_(prefix_list_done)

/* One element of a set or map: which of its fields are written says the set's form. */
struct element {
	struct address address;
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t port, target_port;
	uint32_t mark;
};
struct element_list {
	struct element *items;
	size_t count;
};
void element_list_add(struct element_list *list, const struct element *element);
void element_list_done(struct element_list *list);
#define _cleanup_element_list_ _cleanup_(element_list_done)

enum element_field {
	FIELD_END,
	FIELD_ADDRESS,
	FIELD_PROTOCOL,
	FIELD_PORT,
	FIELD_TARGET_PORT,
	FIELD_MARK,
};
/* The fields of an element in order; those of a map's data follow those of its key. */
#define ELEMENT_FIELDS_MAX 5
struct element_form {
	enum element_field key[ELEMENT_FIELDS_MAX], data[ELEMENT_FIELDS_MAX];
};

enum value_type {
	VALUE_ADDRESS, /* IPv4 */
	VALUE_ADDRESS6,
	VALUE_PREFIX,
	VALUE_PREFIXES,	 /* the IPv4 ones of a list */
	VALUE_PREFIXES6, /* the IPv6 ones */
	VALUE_ELEMENTS,
	VALUE_MAC,
	VALUE_NUMBER,
	VALUE_MARK,
	VALUE_LINK,
	VALUE_PART
};

struct value {
	const char *name; /* as in ${name} */
	enum value_type type;
	union {
		const struct address *address;
		const struct prefix *prefix;
		const struct prefix_list *prefixes;
		const struct element_list *elements;
		const struct mac *mac;
		uint32_t number;  /* also of VALUE_MARK, which is written in hexadecimal */
		const char *link; /* [a-z0-9-], at most 15 characters */
		const struct part
			*part; /* another template; NULL: leaves out the line it stands in */
	};
	const struct element_form *form; /* of VALUE_ELEMENTS */
};

struct part {
	const char *template;
	const struct value *values;
	size_t count;
};

/*
 * The text of @template with every ${name} replaced. A line that begins with "elements =" is left
 * out when its list is empty, which is how nft writes an empty set; a list anywhere else must not
 * be empty. A name without a value, or a value that is not of its type, is a mistake in this
 * program and aborts: half a rule set must never be loaded.
 */
void template_render(const char *template, const struct value *values, size_t count,
		     struct strbuf *output);

#endif
