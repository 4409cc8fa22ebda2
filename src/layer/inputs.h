/*
 * What the result of a first `up` depends on, as a list of named values, and the key of that list.
 * Pure: where the values come from is in collect.h.
 */
#ifndef LAYER_INPUTS_H
#define LAYER_INPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

struct layer_input {
	char *name;  /* "box", "file playbook.yml" */
	char *value; /* text, or mode and digest of a file */
};

struct layer_inputs {
	struct layer_input *items;
	size_t count;
	bool uses_name; /* something in it may write the sandbox's name into the guest */
	char *refusal;	/* why nothing may be kept of this, or NULL */
};

#define _cleanup_layer_inputs_ _cleanup_(layer_inputs_done)
void layer_inputs_done(struct layer_inputs *inputs);

/* Adds a copy of @name; a NULL value is a value of its own. */
void layer_inputs_add(struct layer_inputs *inputs, const char *name, const char *value);

/* Adds a file by its permission bits and its SHA-256. */
void layer_inputs_add_file(struct layer_inputs *inputs, const char *name, mode_t mode,
			   const char *digest);

/* Says why nothing may be kept; the first reason stays. */
void layer_inputs_refuse(struct layer_inputs *inputs, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * Looks for words in the text of something that provisions: those that speak of a secret or of what
 * lies outside of the inputs refuse, those that speak of the host's name set uses_name.
 */
void layer_inputs_scan(struct layer_inputs *inputs, const char *name, const char *text,
		       size_t length);

/* Sorts them, and keeps one of those that were added twice. */
void layer_inputs_sort(struct layer_inputs *inputs);

/*
 * SHA-256 of the sorted list, 64 hex digits: each name and each value with its length before it, so
 * that no two lists read alike. The caller frees.
 */
MUST_CHECK int layer_inputs_key(const struct layer_inputs *inputs, char **ret_key,
				struct error *err);

/*
 * What differs between two sorted lists, in words ("file playbook.yml", "disk; and 3 more"), or
 * NULL when nothing does. The caller frees.
 */
char *layer_inputs_compare(const struct layer_inputs *before, const struct layer_inputs *now);

#endif
