/*
 * A thin layer over libyaml's emitter: its events can fail only for want of memory or by wrong
 * nesting, and neither is the caller's business.
 */
#include "seed/emit.h"

#include <string.h>

#include "base/text.h"

static void emit_event(struct emit *emit, int made, yaml_event_t *event)
{
	if (!made || !yaml_emitter_emit(&emit->emitter, event))
		abort();
}

static int write_text(void *data, unsigned char *bytes, size_t length)
{
	strbuf_add(data, bytes, length);
	return 1;
}

void emit_begin(struct emit *emit)
{
	yaml_event_t event;

	*emit = (struct emit){.text = STRBUF_INIT};
	if (!yaml_emitter_initialize(&emit->emitter))
		abort();
	yaml_emitter_set_output(&emit->emitter, write_text, &emit->text);
	yaml_emitter_set_unicode(&emit->emitter, 1);
	yaml_emitter_set_width(&emit->emitter, -1);
	emit_event(emit, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING), &event);
	emit_event(emit, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1), &event);
}

char *emit_end(struct emit *emit)
{
	yaml_event_t event;

	emit_event(emit, yaml_document_end_event_initialize(&event, 1), &event);
	emit_event(emit, yaml_stream_end_event_initialize(&event), &event);
	yaml_emitter_delete(&emit->emitter);
	return strbuf_take(&emit->text);
}

void emit_map(struct emit *emit)
{
	yaml_event_t event;

	emit_event(emit,
		   yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
						       YAML_BLOCK_MAPPING_STYLE),
		   &event);
}

void emit_map_end(struct emit *emit)
{
	yaml_event_t event;

	emit_event(emit, yaml_mapping_end_event_initialize(&event), &event);
}

void emit_list(struct emit *emit)
{
	yaml_event_t event;

	emit_event(emit,
		   yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
							YAML_BLOCK_SEQUENCE_STYLE),
		   &event);
}

void emit_list_end(struct emit *emit)
{
	yaml_event_t event;

	emit_event(emit, yaml_sequence_end_event_initialize(&event), &event);
}

static void scalar(struct emit *emit, const char *text, size_t length, bool plain)
{
	yaml_scalar_style_t style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	_cleanup_free_ char *value = text_dup_n(text, length); /* libyaml takes no const */
	yaml_event_t event;

	if (plain)
		style = YAML_PLAIN_SCALAR_STYLE;
	else if (memchr(text, '\n', length))
		style = YAML_LITERAL_SCALAR_STYLE;
	emit_event(emit,
		   yaml_scalar_event_initialize(&event, NULL, NULL, (yaml_char_t *)value,
						(int)length, plain, 1, style),
		   &event);
}

void emit_text(struct emit *emit, const char *text)
{
	scalar(emit, text, strlen(text), false);
}

void emit_plain(struct emit *emit, const char *text)
{
	scalar(emit, text, strlen(text), true);
}

void emit_pair(struct emit *emit, const char *key, const char *text)
{
	emit_plain(emit, key);
	emit_text(emit, text);
}

void emit_node(struct emit *emit, const struct node *node)
{
	switch (node->kind) {
	case NODE_TEXT:
		scalar(emit, node->text, node->length, node->plain);
		return;
	case NODE_LIST:
		emit_list(emit);
		for (size_t i = 0; i < node->count; i++)
			emit_node(emit, node->items[i]);
		emit_list_end(emit);
		return;
	case NODE_MAP:
		emit_map(emit);
		for (size_t i = 0; i < node->count; i++) {
			emit_node(emit, node->keys[i]);
			emit_node(emit, node->items[i]);
		}
		emit_map_end(emit);
		return;
	}
}
