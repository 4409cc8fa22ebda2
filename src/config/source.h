/*
 * The text side of YAML parsing; private to the room.
 */
#ifndef CONFIG_SOURCE_H
#define CONFIG_SOURCE_H

#include "config/yaml.h"

/* The source without a byte order mark, which has no column. */
struct source source_without_bom(const struct source *source);

/*
 * Refuses what is too large, not UTF-8, or holds characters that no editor shows as what they are.
 */
MUST_CHECK int source_check(const struct source *source, struct error *err);

/* The byte behind the character at the byte @offset. */
size_t source_step(const struct source *source, size_t offset);

/* Line and column of the byte @offset. */
struct position source_position(const struct source *source, size_t offset);

/* The byte at @position; the end of the text if there is none. */
size_t source_offset(const struct source *source, struct position position);

/*
 * True when the '[' or '{' at @position is never closed; *ret_position is then the innermost
 * bracket inside it that is not closed either.
 */
bool source_is_unclosed(const struct source *source, struct position position,
			struct position *ret_position);

#endif
