/*
 * Writing YAML through libyaml's emitter, which quotes what needs quoting. Pure; running out of
 * memory aborts.
 */
#ifndef SEED_EMIT_H
#define SEED_EMIT_H

#include <yaml.h>

#include "base/strbuf.h"
#include "config/yaml.h"

struct emit {
	yaml_emitter_t emitter;
	struct strbuf text;
};

/* One document, whose root the caller writes in between. emit_end() hands out the text. */
void emit_begin(struct emit *emit);
char *emit_end(struct emit *emit);

void emit_map(struct emit *emit);
void emit_map_end(struct emit *emit);
void emit_list(struct emit *emit);
void emit_list_end(struct emit *emit);

/* A value that YAML must read as text, whatever it looks like. Lines are written as a block. */
void emit_text(struct emit *emit, const char *text);
/* A key, a number or a boolean: written as it is. */
void emit_plain(struct emit *emit, const char *text);
/* KEY: text. */
void emit_pair(struct emit *emit, const char *key, const char *text);
/* What somebody else wrote, as it was meant: plain stays plain, text stays text. */
void emit_node(struct emit *emit, const struct node *node);

#endif
