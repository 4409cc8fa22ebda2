/*
 * The items of `provision:`. Each does one thing, which one of its keys says; what else it holds
 * must belong to that. Variables for a playbook are the one place where a Migrantfile holds values
 * that migrant has no meaning for: they are passed on as JSON, in which every type is written down.
 */
#include <json-c/json.h>
#include <string.h>

#include "base/text.h"
#include "config/reader.h"

static const struct {
	enum config_key_id key;
	const char *word;
} kinds[] = {
	[PROVISION_ANSIBLE] = {KEY_PROVISION_ANSIBLE, "ansible"},
	[PROVISION_SHELL] = {KEY_PROVISION_SHELL, "shell"},
	[PROVISION_FILE] = {KEY_PROVISION_FILE, "file"},
};

const char *config_provision_kind(const struct config_provision *provision)
{
	return kinds[provision->kind].word;
}

const char *config_provision_title(const struct config_provision *provision)
{
	if (provision->name)
		return provision->name;
	return provision->file ? provision->file : config_provision_kind(provision);
}

void provision_done(struct config_provision *provision)
{
	free(provision->name);
	free(provision->file);
	free(provision->vars);
	free_list(provision->tags);
	free_list(provision->inputs);
	free(provision->requirements);
	free(provision->settings);
	free(provision->script);
	free(provision->to);
	free(provision->mode);
}

static int find_kind(const struct reader *reader, const struct node *item,
		     struct config_provision *provision, struct error *err)
{
	size_t found = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct node *value = node_find(item, kinds[i].word);

		if (!value)
			continue;
		found++;
		provision->kind = (enum config_provisioner)i;
		provision->position = value->position;
	}
	if (found == 1)
		return 0;
	return source_error(reader->source, item->position, err,
			    "an item of 'provision' has one of ansible, shell and file");
}

/* What is said to Ansible alone. */
static int check_options(const struct reader *reader, const struct node *item,
			 const struct config_provision *provision, struct error *err)
{
	static const char *const options[] = {"vars", "tags", "requirements", "config"};

	if (provision->kind == PROVISION_ANSIBLE)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct node *value = node_find(item, options[i]);

		if (value)
			return source_error(reader->source, value->position, err,
					    "'provision.%s' belongs to 'ansible', not to '%s'",
					    options[i], config_provision_kind(provision));
	}
	return 0;
}

int read_provisioner(const struct reader *reader, const struct node *item, struct error *err)
{
	struct config *config = reader->config;
	struct config_provision *provision;

	config->provision =
		xreallocarray(config->provision, config->provision_count + 1, sizeof(*provision));
	provision = &config->provision[config->provision_count++];
	*provision = (struct config_provision){0};
	if (read_map(reader, KEY_PROVISION, item, provision, err) < 0 ||
	    find_kind(reader, item, provision, err) < 0 ||
	    check_options(reader, item, provision, err) < 0)
		return -1;
	if (provision->kind == PROVISION_SHELL && !provision->file == !provision->script)
		return source_error(reader->source, provision->position, err,
				    "'provision.shell' takes one of file and inline");
	return 0;
}

/* A whole number as JSON and YAML both have it, of at most 18 digits, which fit 64 bits. */
static bool is_number(const char *text)
{
	const char *digits = text + (*text == '-');
	size_t length = strspn(digits, "0123456789");

	return length && !digits[length] && length <= 18 && (*digits != '0' || length == 1);
}

static struct json_object *scalar(const struct node *node)
{
	if (node->plain && is_number(node->text))
		return json_object_new_int64(strtoll(node->text, NULL, 10));
	if (node->plain && (text_equal(node->text, "true") || text_equal(node->text, "false")))
		return json_object_new_boolean(node->text[0] == 't');
	return node_is_null(node) ? NULL
				  : json_object_new_string_len(node->text, (int)node->length);
}

/* The parser bounds the depth. */
static struct json_object *tree(const struct node *node)
{
	struct json_object *object;

	if (node->kind == NODE_TEXT)
		return scalar(node);
	if (node->kind == NODE_LIST) {
		object = json_object_new_array();
		for (size_t i = 0; i < node->count; i++)
			json_object_array_add(object, tree(node->items[i]));
		return object;
	}
	object = json_object_new_object();
	for (size_t i = 0; i < node->count; i++)
		json_object_object_add(object, node->keys[i]->text, tree(node->items[i]));
	return object;
}

static bool is_variable(const char *name)
{
	static const char word[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

	return *name && !name[strspn(name, word)] && !(*name >= '0' && *name <= '9');
}

int read_variables(const struct reader *reader, enum config_key_id key, const struct node *node,
		   char **slot, struct error *err)
{
	struct json_object *object;

	if (expect_kind(reader, key, node, NODE_MAP, err) < 0)
		return -1;
	for (size_t i = 0; i < node->count; i++) {
		const struct node *name = node->keys[i];

		if (!is_variable(name->text))
			return source_error(reader->source, name->position, err,
					    "'%s' is no name of a variable", name->text);
		if (!text_starts(name->text, "ansible_") && !text_starts(name->text, "migrant_"))
			continue;
		source_error(reader->source, name->position, err, "'%s' is not yours to set",
			     name->text);
		return error_hint(err, "how Ansible reaches the guest is decided by migrant");
	}
	object = tree(node);
	text_replace(slot,
		     json_object_to_json_string_ext(
			     object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	return 0;
}
