/*
 * The key of a layer has to change whenever the result could, and only then: too few inputs would
 * give somebody yesterday's guest without a word. Where a text shows that the result depends on
 * something that no list can hold, nothing is kept.
 */
#include "layer/inputs.h"

#include <stdarg.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"
#include "box/digest.h"

/* A new meaning of a value or of a layer's content makes all older layers strangers. */
#define KEY_FORMAT "migrant layer 1"

#define SHOWN_MAX 3 /* differences that are named */

/* Ansible's own words for what must not be seen, or what comes from elsewhere. */
static const char *const secret_words[] = {
	"$ANSIBLE_VAULT;", "!vault",	    "no_log",	   "vars_prompt", "hashi_vault",
	"unvault",	   "passwordstore", "onepassword", "bitwarden",	  "aws_secret"};
/* A lookup is called lookup, query or q. */
static const char *const outside_words[] = {
	"('env'",    "(\"env\"",  "( 'env'",	 "( \"env\"",		"('pipe'",
	"(\"pipe\"", "( 'pipe'",  "( \"pipe\"",	 "ansible.builtin.env", "ansible.builtin.pipe",
	"with_env",  "with_pipe", "delegate_to", "local_action",	"connection: local",
	"fetch:"};
static const char *const name_words[] = {"hostname", "nodename", "fqdn", "machine_id",
					 "machine-id"};

void layer_inputs_done(struct layer_inputs *inputs)
{
	for (size_t i = 0; i < inputs->count; i++) {
		free(inputs->items[i].name);
		free(inputs->items[i].value);
	}
	free(inputs->items);
	free(inputs->refusal);
	*inputs = (struct layer_inputs){0};
}

void layer_inputs_add(struct layer_inputs *inputs, const char *name, const char *value)
{
	inputs->items = xreallocarray(inputs->items, inputs->count + 1, sizeof(*inputs->items));
	inputs->items[inputs->count++] = (struct layer_input){
		.name = text_dup(name),
		.value = value ? text_format("=%s", value) : text_dup(""),
	};
}

void layer_inputs_add_file(struct layer_inputs *inputs, const char *name, mode_t mode,
			   const char *digest)
{
	_cleanup_free_ char *full = text_format("file %s", name);
	_cleanup_free_ char *value = text_format("%04o %s", (unsigned int)(mode & 07777), digest);

	layer_inputs_add(inputs, full, value);
}

void layer_inputs_refuse(struct layer_inputs *inputs, const char *format, ...)
{
	va_list args;

	if (inputs->refusal)
		return;
	va_start(args, format);
	inputs->refusal = text_format_args(format, args);
	va_end(args);
}

static const char *find_word(const char *text, size_t length, const char *const *words,
			     size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (memmem(text, length, words[i], strlen(words[i])))
			return words[i];
	return NULL;
}

void layer_inputs_scan(struct layer_inputs *inputs, const char *name, const char *text,
		       size_t length)
{
	const char *secret = find_word(text, length, secret_words, ARRAY_SIZE(secret_words));
	const char *outside = find_word(text, length, outside_words, ARRAY_SIZE(outside_words));

	if (secret)
		layer_inputs_refuse(inputs, "%s speaks of a secret (%s)", name, secret);
	if (outside)
		layer_inputs_refuse(inputs, "%s has to do with this host (%s)", name, outside);
	if (find_word(text, length, name_words, ARRAY_SIZE(name_words)))
		inputs->uses_name = true;
}

static int compare_names(const void *a, const void *b)
{
	const struct layer_input *left = a, *right = b;

	return strcmp(left->name, right->name);
}

void layer_inputs_sort(struct layer_inputs *inputs)
{
	size_t kept = 0;

	if (inputs->count == 0)
		return;
	qsort(inputs->items, inputs->count, sizeof(*inputs->items), compare_names);
	for (size_t i = 1; i < inputs->count; i++) {
		if (text_equal(inputs->items[i].name, inputs->items[kept].name)) {
			free(inputs->items[i].name);
			free(inputs->items[i].value);
		} else {
			inputs->items[++kept] = inputs->items[i];
		}
	}
	inputs->count = kept + 1;
}

static void add_counted(struct strbuf *text, const char *part)
{
	strbuf_addf(text, "%zu:%s,", strlen(part), part);
}

int layer_inputs_key(const struct layer_inputs *inputs, char **ret_key, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct digest digest;

	add_counted(&text, KEY_FORMAT);
	for (size_t i = 0; i < inputs->count; i++) {
		add_counted(&text, inputs->items[i].name);
		add_counted(&text, inputs->items[i].value);
	}
	if (digest_bytes(text.text, text.length, DIGEST_SHA256, &digest, err) < 0)
		return -1;
	*ret_key = text_dup(digest.text);
	return 0;
}

static void add_difference(struct strbuf *words, size_t *count, const char *name)
{
	if ((*count)++ < SHOWN_MAX)
		strbuf_addf(words, "%s%s", words->length ? ", " : "", name);
}

char *layer_inputs_compare(const struct layer_inputs *before, const struct layer_inputs *now)
{
	_cleanup_strbuf_ struct strbuf words = STRBUF_INIT;
	size_t count = 0;

	for (size_t i = 0, j = 0; i < before->count || j < now->count;) {
		const struct layer_input *old = i < before->count ? &before->items[i] : NULL;
		const struct layer_input *new = j < now->count ? &now->items[j] : NULL;
		int order = old && new ? strcmp(old->name, new->name) : old ? -1 : 1;

		if (order < 0)
			add_difference(&words, &count, old->name);
		else if (new && (order > 0 || !old || !text_equal(old->value, new->value)))
			add_difference(&words, &count, new->name);
		i += order <= 0;
		j += order >= 0;
	}
	if (count > SHOWN_MAX)
		strbuf_addf(&words, " and %zu more", count - SHOWN_MAX);
	return count ? strbuf_take(&words) : NULL;
}
