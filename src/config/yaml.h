/*
 * YAML as a tree in which every node knows where it stands, and the one way to refuse something in
 * it. Only the plain part of YAML is read: no anchors, aliases, tags, directives, merge keys or
 * second documents, no duplicate keys, bounded in size, depth and number. Values stay text: what
 * `no`, 010 or 1e9 mean is decided by whoever reads the key, never by YAML.
 */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "config/config.h"

#define SOURCE_SIZE_MAX	 262144 /* bytes of a document: 256 KiB */
#define SOURCE_DEPTH_MAX 16	/* nested lists and mappings */
#define SOURCE_NODES_MAX 8192

/* A text and what it is called in messages; both borrowed. */
struct source {
	const char *file;
	const char *text;
	size_t length;
};

enum node_kind { NODE_TEXT, NODE_LIST, NODE_MAP };

struct node {
	enum node_kind kind;
	struct position position; /* of its first character, a quote included */
	char *text;		  /* NODE_TEXT: the value, free of control characters but '\n' */
	size_t length;
	bool plain;	     /* NODE_TEXT: written without quotes */
	bool exact;	     /* NODE_TEXT: each character stands for itself, on one line */
	struct node **keys;  /* NODE_MAP: @count texts */
	struct node **items; /* NODE_LIST, NODE_MAP: @count values */
	size_t count;
};

/*
 * Parses @source. *ret_root is NULL for a document without content. EX_CONFIG with place and
 * excerpt; *ret_root is untouched then.
 */
MUST_CHECK int node_parse(const struct source *source, struct node **ret_root, struct error *err);

void node_free(struct node *node);
static inline void cleanup_node(struct node **node)
{
	node_free(*node);
}
#define _cleanup_node_ _cleanup_(cleanup_node)

/* The value of @key in the mapping @map, or NULL. */
const struct node *node_find(const struct node *map, const char *key);

/* "a list", "a mapping" or "a text", for messages. */
const char *node_kind_text(enum node_kind kind);

/* True for a plain value that YAML reads as null: nothing, "~" or "null". */
bool node_is_null(const struct node *node);

/* Where the byte @offset of a text stands; the text's own begin if that cannot be told. */
struct position node_position(const struct node *node, size_t offset);

/*
 * Sets *err to EX_CONFIG with the message, the place FILE:LINE:COLUMN and the source line with a
 * caret below. With line 0 the place is the file alone. Returns -1.
 */
int source_error(const struct source *source, struct position position, struct error *err,
		 const char *format, ...) PRINTF_LIKE(4, 5);

/* The line of @position and a caret line, as source_error() shows them. The caller frees. */
char *source_excerpt(const struct source *source, struct position position);

#endif
