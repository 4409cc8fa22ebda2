/*
 * libyaml's events become a tree. What YAML offers beyond plain lists and mappings is refused here,
 * as it comes by: anchors and tags are ways to make a small file large or a value something else
 * than it reads. libyaml knows where it stopped understanding; where the mistake is, is worked out
 * in syntax_error().
 */
#include "config/yaml.h"

#include <string.h>
#include <yaml.h>

#include "base/text.h"
#include "config/source.h"

struct builder {
	const struct source *source;
	yaml_parser_t parser;
	unsigned int nodes;
	size_t seen_characters, seen_offset; /* how far mark_offset() has counted */
	struct position long_quote; /* where the last quoted text over several lines begins */
};

static struct position mark_position(yaml_mark_t mark)
{
	return (struct position){(unsigned int)mark.line + 1, (unsigned int)mark.column + 1};
}

static void cleanup_event(yaml_event_t *event)
{
	yaml_event_delete(event);
}
#define _cleanup_event_ _cleanup_(cleanup_event)

void node_free(struct node *node)
{
	if (!node)
		return;
	for (size_t i = 0; i < node->count; i++) {
		if (node->keys)
			node_free(node->keys[i]);
		node_free(node->items[i]);
	}
	free(node->keys);
	free(node->items);
	free(node->text);
	free(node);
}

const struct node *node_find(const struct node *map, const char *key)
{
	for (size_t i = 0; map && map->kind == NODE_MAP && i < map->count; i++)
		if (text_equal(map->keys[i]->text, key))
			return map->items[i];
	return NULL;
}

const char *node_kind_text(enum node_kind kind)
{
	static const char *const texts[] = {"a text", "a list", "a mapping"};

	return texts[kind];
}

bool node_is_null(const struct node *node)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};

	for (size_t i = 0; node->kind == NODE_TEXT && node->plain && i < ARRAY_SIZE(nulls); i++)
		if (text_equal(node->text, nulls[i]))
			return true;
	return false;
}

struct position node_position(const struct node *node, size_t offset)
{
	struct position position = node->position;

	if (!node->exact)
		return position;
	if (!node->plain)
		position.column++;
	for (size_t i = 0; i < offset && i < node->length; i++)
		if (((unsigned char)node->text[i] & 0xc0) != 0x80)
			position.column++;
	return position;
}

static size_t count_characters(const char *text, size_t length)
{
	size_t count = 0;

	for (size_t i = 0; i < length; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

/* What libyaml says in terms of its own grammar, in those of a person with an editor. */
static const struct {
	const char *problem, *message, *hint;
} problems[] = {
	{"found character that cannot start any token", "a value cannot begin with this character",
	 "put the value in quotes"},
	{"mapping values are not allowed in this context", "a ': ' is not allowed here",
	 "a value that holds ': ' needs quotes; or the line before lacks its ':', or the "
	 "indentation is wrong"},
	{"did not find expected key", "expected 'key: value' here",
	 "keys of one mapping begin in the same column"},
	{"did not find expected '-' indicator", "expected '- ' here",
	 "items of one list begin in the same column"},
	{"block sequence entries are not allowed in this context", "a list cannot begin here",
	 "its first '- ' stands on a line of its own below the key"},
	{"found unknown escape character", "unknown escape after the backslash",
	 "in 'single quotes' a backslash is just a backslash"},
	{"did not find expected node content", "a value is missing here", NULL},
	{"did not find expected alphabetic or numeric character",
	 "anchors and aliases are not supported", "a value that begins with & or * needs quotes"},
	{"did not find expected <document start>", "expected the end of the file here",
	 "keys at the top begin in the same column; one file holds one document"},
};

static int problem_error(const struct builder *builder, struct position position, struct error *err)
{
	static const char expected[] = "did not find expected ";
	size_t offset = source_offset(builder->source, position);
	const char *problem = builder->parser.problem ? builder->parser.problem : "not YAML";

	if (offset < builder->source->length && builder->source->text[offset] == '\t')
		return source_error(builder->source, position, err,
				    "a tab; YAML is indented with blanks");
	for (size_t i = 0; i < ARRAY_SIZE(problems); i++) {
		if (!text_equal(problem, problems[i].problem))
			continue;
		source_error(builder->source, position, err, "%s", problems[i].message);
		return problems[i].hint ? error_hint(err, "%s", problems[i].hint) : -1;
	}
	if (text_starts(problem, expected))
		return source_error(builder->source, position, err, "expected %s here",
				    problem + strlen(expected));
	return source_error(builder->source, position, err, "%s", problem);
}

/*
 * A forgotten quote or bracket makes libyaml stumble much later, often at the end of the file; the
 * person needs the place where it begins.
 */
static int unclosed_error(const struct builder *builder, struct error *err)
{
	const yaml_parser_t *parser = &builder->parser;
	const char *context = parser->context ? parser->context : "";
	struct position begin = mark_position(parser->context_mark);

	if (strstr(context, "quoted scalar") && parser->problem &&
	    strstr(parser->problem, "end of stream"))
		return source_error(builder->source, begin, err, "this quote is never closed");
	if (strstr(context, "flow ") && source_is_unclosed(builder->source, begin, &begin))
		return source_error(builder->source, begin, err, "this bracket is never closed");
	if (builder->long_quote.line) {
		source_error(builder->source, builder->long_quote, err,
			     "the quoted text that begins here does not end on its line");
		return error_hint(err, "is a closing quote missing?");
	}
	return 0;
}

static int syntax_error(const struct builder *builder, struct error *err)
{
	const yaml_parser_t *parser = &builder->parser;

	if (parser->error == YAML_MEMORY_ERROR)
		abort();
	if (parser->error == YAML_READER_ERROR)
		return problem_error(builder,
				     source_position(builder->source, parser->problem_offset), err);
	if (unclosed_error(builder, err) < 0)
		return -1;
	if (parser->problem && text_equal(parser->problem, "could not find expected ':'")) {
		source_error(builder->source, mark_position(parser->context_mark), err,
			     "this line is no 'key: value'");
		return error_hint(err, "a ':' and a blank stand between a key and its value");
	}
	return problem_error(builder, mark_position(parser->problem_mark), err);
}

static int next_event(struct builder *builder, yaml_event_t *ret_event, struct error *err)
{
	yaml_event_delete(ret_event);
	if (!yaml_parser_parse(&builder->parser, ret_event))
		return syntax_error(builder, err);
	return 0;
}

/*
 * The byte at @mark, which libyaml counts in characters. Nodes come in the order of the text, so
 * the count goes on from the last one; from the start it would take quadratic time.
 */
static size_t mark_offset(struct builder *builder, const yaml_mark_t *mark)
{
	if (mark->index < builder->seen_characters)
		builder->seen_characters = builder->seen_offset = 0;
	while (builder->seen_characters < mark->index &&
	       builder->seen_offset < builder->source->length) {
		builder->seen_offset = source_step(builder->source, builder->seen_offset);
		builder->seen_characters++;
	}
	return builder->seen_offset;
}

/* Refuses an anchor or a tag in front of a node; both begin it. */
static int check_properties(struct builder *builder, const yaml_event_t *event, struct error *err)
{
	struct position position = mark_position(event->start_mark);
	size_t offset = mark_offset(builder, &event->start_mark);
	bool empty = event->start_mark.index == event->end_mark.index;
	char first = offset < builder->source->length ? builder->source->text[offset] : '\0';

	if (first == '&' && !empty)
		return source_error(builder->source, position, err, "anchors are not supported");
	if (first == '!' && !empty)
		return source_error(builder->source, position, err, "tags are not supported");
	return 0;
}

static int build(struct builder *builder, yaml_event_t *event, unsigned int depth,
		 struct node **ret_node, struct error *err);

static struct node *add_item(struct node *node)
{
	node->items = xreallocarray(node->items, node->count + 1, sizeof(struct node *));
	if (node->kind == NODE_MAP)
		node->keys = xreallocarray(node->keys, node->count + 1, sizeof(struct node *));
	return node;
}

static int build_list(struct builder *builder, yaml_event_t *event, unsigned int depth,
		      struct node *list, struct error *err)
{
	for (;;) {
		struct node *item = NULL;

		if (next_event(builder, event, err) < 0)
			return -1;
		if (event->type == YAML_SEQUENCE_END_EVENT)
			return 0;
		if (build(builder, event, depth + 1, &item, err) < 0)
			return -1;
		add_item(list)->items[list->count++] = item;
	}
}

static int check_key(const struct builder *builder, const struct node *map, const struct node *key,
		     struct error *err)
{
	const struct source *source = builder->source;

	if (key->kind != NODE_TEXT || node_is_null(key))
		return source_error(source, key->position, err, "a key is a word, not %s",
				    key->kind == NODE_TEXT ? "nothing" : node_kind_text(key->kind));
	if (strlen(key->text) != key->length || strchr(key->text, '\n'))
		return source_error(source, key->position, err, "a key is a word on one line");
	if (text_equal(key->text, "<<"))
		return source_error(source, key->position, err, "merge keys are not supported");
	for (size_t i = 0; i < map->count; i++)
		if (text_equal(map->keys[i]->text, key->text))
			return source_error(source, key->position, err,
					    "duplicate key '%s', first given in line %u", key->text,
					    map->keys[i]->position.line);
	return 0;
}

static int build_map(struct builder *builder, yaml_event_t *event, unsigned int depth,
		     struct node *map, struct error *err)
{
	for (;;) {
		_cleanup_node_ struct node *key = NULL;
		struct node *value = NULL;

		if (next_event(builder, event, err) < 0)
			return -1;
		if (event->type == YAML_MAPPING_END_EVENT)
			return 0;
		if (build(builder, event, depth + 1, &key, err) < 0 ||
		    check_key(builder, map, key, err) < 0 || next_event(builder, event, err) < 0 ||
		    build(builder, event, depth + 1, &value, err) < 0)
			return -1;
		add_item(map)->keys[map->count] = take_ptr(key);
		map->items[map->count++] = value;
	}
}

/* A value with control characters (from escapes in double quotes) is nobody's honest value. */
static int check_text(const struct builder *builder, const struct node *node, struct error *err)
{
	const struct source inner = {builder->source->file, node->text, node->length};
	_cleanup_error_ struct error ignored = ERROR_INIT;

	if (memchr(node->text, '\0', node->length) || source_check(&inner, &ignored) < 0)
		return source_error(builder->source, node->position, err,
				    "this text holds a character that is not allowed");
	return 0;
}

static int build_text(struct builder *builder, const yaml_event_t *event, struct node *node,
		      struct error *err)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t columns = event->end_mark.column - event->start_mark.column;
	bool one_line = event->start_mark.line == event->end_mark.line;
	yaml_scalar_style_t style = event->data.scalar.style;

	node->length = event->data.scalar.length;
	node->text = text_dup_n(text, node->length);
	node->plain = style == YAML_PLAIN_SCALAR_STYLE;
	node->exact =
		one_line && columns == count_characters(text, node->length) + (node->plain ? 0 : 2);
	if (!one_line &&
	    (style == YAML_SINGLE_QUOTED_SCALAR_STYLE || style == YAML_DOUBLE_QUOTED_SCALAR_STYLE))
		builder->long_quote = node->position;
	return check_text(builder, node, err);
}

static int build_node(struct builder *builder, yaml_event_t *event, unsigned int depth,
		      struct node *node, struct error *err)
{
	const struct source *source = builder->source;

	if (depth > SOURCE_DEPTH_MAX)
		return source_error(source, node->position, err, "nested deeper than %d levels",
				    SOURCE_DEPTH_MAX);
	if (++builder->nodes > SOURCE_NODES_MAX)
		return source_error(source, node->position, err, "more than %d values",
				    SOURCE_NODES_MAX);
	if (event->type == YAML_ALIAS_EVENT)
		return source_error(source, node->position, err, "aliases are not supported");
	if (check_properties(builder, event, err) < 0)
		return -1;
	if (event->type == YAML_SCALAR_EVENT)
		return build_text(builder, event, node, err);
	if (event->type == YAML_SEQUENCE_START_EVENT) {
		node->kind = NODE_LIST;
		return build_list(builder, event, depth, node, err);
	}
	node->kind = NODE_MAP;
	return build_map(builder, event, depth, node, err);
}

static int build(struct builder *builder, yaml_event_t *event, unsigned int depth,
		 struct node **ret_node, struct error *err)
{
	_cleanup_node_ struct node *node = xcalloc(1, sizeof(*node));

	node->position = mark_position(event->start_mark);
	if (build_node(builder, event, depth, node, err) < 0)
		return -1;
	*ret_node = take_ptr(node);
	return 0;
}

/* The document's node behind its start event, or NULL for one without content. */
static int build_root(struct builder *builder, yaml_event_t *event, struct node **ret_root,
		      struct error *err)
{
	_cleanup_node_ struct node *root = NULL;

	if (event->data.document_start.version_directive ||
	    event->data.document_start.tag_directives.start !=
		    event->data.document_start.tag_directives.end)
		return source_error(builder->source, mark_position(event->start_mark), err,
				    "YAML directives are not supported");
	if (next_event(builder, event, err) < 0 || build(builder, event, 1, &root, err) < 0 ||
	    next_event(builder, event, err) < 0 || /* end of the document */
	    next_event(builder, event, err) < 0)
		return -1;
	if (event->type != YAML_STREAM_END_EVENT)
		return source_error(builder->source, mark_position(event->start_mark), err,
				    "a second document; one file holds one");
	if (!node_is_null(root))
		*ret_root = take_ptr(root);
	return 0;
}

static int build_document(struct builder *builder, struct node **ret_root, struct error *err)
{
	_cleanup_event_ yaml_event_t event = {0};

	if (next_event(builder, &event, err) < 0)
		return -1;
	if (event.type == YAML_STREAM_START_EVENT && next_event(builder, &event, err) < 0)
		return -1;
	if (event.type == YAML_STREAM_END_EVENT)
		return 0;
	return build_root(builder, &event, ret_root, err);
}

int node_parse(const struct source *source, struct node **ret_root, struct error *err)
{
	const struct source text = source_without_bom(source);
	struct builder builder = {.source = &text};
	_cleanup_node_ struct node *root = NULL;
	int result;

	if (source_check(&text, err) < 0)
		return -1;
	if (!yaml_parser_initialize(&builder.parser))
		abort();
	yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&builder.parser, (const unsigned char *)text.text,
				     text.length);
	result = build_document(&builder, &root, err);
	yaml_parser_delete(&builder.parser);
	if (result == 0)
		*ret_root = take_ptr(root);
	return result;
}
