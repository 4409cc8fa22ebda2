/*
 * From the text of a value to the value, by the type that the key table gives. YAML's own idea of
 * what a word means is never asked: `no` is a text, 010 is no number, 1e9 is none either.
 */
#include "config/reader.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"
#include "config/grammar.h"

#define PATH_LENGTH_MAX 1024
#define MIB		(UINT64_C(1) << 20)

static const char *path_of(enum config_key_id key)
{
	return config_keys[key].path;
}

int expect_kind(const struct reader *reader, enum config_key_id key, const struct node *node,
		enum node_kind kind, struct error *err)
{
	if (node_is_null(node)) {
		source_error(reader->source, node->position, err, "'%s' has no value",
			     path_of(key));
		return error_hint(err, "leave the key out for its default");
	}
	if (node->kind == kind)
		return 0;
	source_error(reader->source, node->position, err, "'%s' takes %s, not %s", path_of(key),
		     node_kind_text(kind), node_kind_text(node->kind));
	if (kind == NODE_LIST && node->kind == NODE_TEXT && node->length < 40)
		return error_hint(err, "a list with one item is written [%s]", node->text);
	return -1;
}

/* Refuses the value and says what the key takes. */
static int wrong_value(const struct reader *reader, enum config_key_id key, const struct node *node,
		       struct error *err)
{
	_cleanup_strbuf_ struct strbuf type = STRBUF_INIT;

	key_describe_type(&config_keys[key], &type);
	return source_error(reader->source, node->position, err, "'%s' takes %s, not '%s'",
			    path_of(key), strbuf_text(&type), node->text);
}

static int read_text(const struct reader *reader, enum config_key_id id, const struct node *node,
		     char **slot, struct error *err)
{
	const struct config_key *key = &config_keys[id];

	if (node->length < key->min || node->length > key->max)
		return source_error(reader->source, node->position, err,
				    "'%s' is %zu bytes long; it has %llu to %llu", key->path,
				    node->length, (unsigned long long)key->min,
				    (unsigned long long)key->max);
	if (key->is_valid && !key->is_valid(node->text))
		return wrong_value(reader, id, node, err);
	text_replace(slot, node->text);
	return 0;
}

static int read_name(const struct reader *reader, const struct node *node, struct error *err)
{
	_cleanup_free_ char *better = NULL;

	if (read_text(reader, KEY_NAME, node, &reader->config->name, err) == 0)
		return 0;
	better = config_default_name(node->text);
	return better ? error_hint(err, "'%s' would do", better) : -1;
}

static int read_path(const struct reader *reader, enum config_key_id id, const struct node *node,
		     char **slot, struct error *err)
{
	const struct config_key *key = &config_keys[id];
	static const char *const off[] = {"no", "false", "off"};

	if (key->none && text_equal(node->text, "none")) {
		text_replace(slot, NULL);
		return 0;
	}
	for (size_t i = 0; key->none && i < ARRAY_SIZE(off); i++) {
		if (!text_equal(node->text, off[i]))
			continue;
		wrong_value(reader, id, node, err);
		return error_hint(err, "none turns it off");
	}
	if (!node->length || node->length > PATH_LENGTH_MAX || strchr(node->text, '\n'))
		return source_error(reader->source, node->position, err,
				    "'%s' takes a path of 1 to %d bytes on one line", key->path,
				    PATH_LENGTH_MAX);
	text_replace(slot, node->text);
	return 0;
}

static int read_number(const struct reader *reader, enum config_key_id id, const struct node *node,
		       uint32_t *slot, struct error *err)
{
	const struct config_key *key = &config_keys[id];
	uint64_t number = 0;

	if (parse_number(node->text, key->min, key->max, &number) < 0)
		return wrong_value(reader, id, node, err);
	*slot = (uint32_t)number;
	return 0;
}

static int read_size(const struct reader *reader, enum config_key_id id, const struct node *node,
		     uint64_t *slot, struct error *err)
{
	const struct config_key *key = &config_keys[id];
	uint64_t bytes = 0;

	if (parse_size(node->text, &bytes) < 0) {
		wrong_value(reader, id, node, err);
		return error_hint(err, "a whole number with K, M, G or T (powers of 1024)");
	}
	if (bytes < key->min || bytes > key->max) {
		wrong_value(reader, id, node, err);
		return strspn(node->text, "0123456789") == node->length
			       ? error_hint(err, "without K, M, G or T it is bytes")
			       : -1;
	}
	if (bytes % MIB)
		return source_error(reader->source, node->position, err,
				    "'%s' takes whole MiB, which '%s' is not", key->path,
				    node->text);
	*slot = bytes;
	return 0;
}

static int read_duration(const struct reader *reader, enum config_key_id id,
			 const struct node *node, uint64_t *slot, struct error *err)
{
	const struct config_key *key = &config_keys[id];
	uint64_t seconds = 0;

	if (text_equal(node->text, "none")) {
		*slot = 0;
		return 0;
	}
	if (parse_duration(node->text, &seconds) < 0)
		return wrong_value(reader, id, node, err);
	if (seconds < key->min || seconds > key->max)
		return source_error(reader->source, node->position, err,
				    "'%s' is from %llu seconds to %llu days", key->path,
				    (unsigned long long)key->min,
				    (unsigned long long)(key->max / 86400));
	*slot = seconds;
	return 0;
}

/* What YAML 1.1 also takes for a boolean. */
static const char *boolean_guess(const char *text)
{
	static const struct {
		const char *word, *meant;
	} words[] = {
		{"yes", "true"},  {"on", "true"},     {"y", "true"},	{"1", "true"},
		{"true", "true"}, {"no", "false"},    {"off", "false"}, {"n", "false"},
		{"0", "false"},	  {"false", "false"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(text, words[i].word) == 0)
			return words[i].meant;
	return NULL;
}

static int read_bool(const struct reader *reader, enum config_key_id id, const struct node *node,
		     bool *slot, struct error *err)
{
	const char *guess = boolean_guess(node->text);

	if (text_equal(node->text, "true") || text_equal(node->text, "false")) {
		*slot = node->text[0] == 't';
		return 0;
	}
	wrong_value(reader, id, node, err);
	return guess ? error_hint(err, "did you mean %s?", guess) : -1;
}

/* The index of the value among the key's choices, or -1 with *err set. */
static int read_choice(const struct reader *reader, enum config_key_id id, const struct node *node,
		       struct error *err)
{
	const char *const *choices = config_keys[id].choices;
	const char *best = NULL;
	size_t best_distance = 3;

	for (int i = 0; choices[i] && node->length <= 16; i++) {
		size_t distance = text_distance(node->text, choices[i]);

		if (!distance)
			return i;
		if (distance < best_distance && distance < strlen(choices[i])) {
			best_distance = distance;
			best = choices[i];
		}
	}
	wrong_value(reader, id, node, err);
	return best ? error_hint(err, "did you mean %s?", best) : -1;
}

static int store_choice(const struct reader *reader, enum config_key_id id, const struct node *node,
			void *slot, struct error *err)
{
	int choice = read_choice(reader, id, node, err);

	if (choice < 0)
		return -1;
	if (config_keys[id].type == TYPE_EITHER)
		*(bool *)slot = choice == 1;
	else
		*(unsigned int *)slot = (unsigned int)choice;
	return 0;
}
static_assert(sizeof(enum config_boot) == sizeof(unsigned int), "enums are stored as unsigned int");

int read_value(const struct reader *reader, enum config_key_id key, const struct node *node,
	       void *base, struct error *err)
{
	void *slot = (char *)base + config_keys[key].offset;

	if (expect_kind(reader, key, node, NODE_TEXT, err) < 0)
		return -1;
	if (strlen(node->text) != node->length)
		return wrong_value(reader, key, node, err);
	switch (config_keys[key].type) {
	case TYPE_TEXT:
		return key == KEY_NAME ? read_name(reader, node, err)
				       : read_text(reader, key, node, slot, err);
	case TYPE_PATH:
		return read_path(reader, key, node, slot, err);
	case TYPE_NUMBER:
		return read_number(reader, key, node, slot, err);
	case TYPE_SIZE:
		return read_size(reader, key, node, slot, err);
	case TYPE_DURATION:
		return read_duration(reader, key, node, slot, err);
	case TYPE_BOOL:
		return read_bool(reader, key, node, slot, err);
	case TYPE_CHOICE:
	case TYPE_EITHER:
		return store_choice(reader, key, node, slot, err);
	case TYPE_MAP:
	case TYPE_MAPS:
	case TYPE_LIST:
	case TYPE_TREE:
		break;
	}
	abort(); /* the caller sends scalars only */
}
