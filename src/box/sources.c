/*
 * Reading apt's sources, as far as they tell where this host gets Debian from. sources.list(5).
 */
#include "box/sources.h"

#include <ctype.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"

#define KEYRING_NAME "debian-archive"

static const char *const suffixes[] = {"", "-updates", "-security"};

void sources_done(struct sources *sources)
{
	free_list(sources->lines);
	*sources = (struct sources){0};
}

static void add_line(struct sources *sources, const char *uri, const char *suite)
{
	_cleanup_free_ char *line = text_format("deb %s %s main", uri, suite);

	for (size_t i = 0; i < sources->count; i++)
		if (text_equal(sources->lines[i], line))
			return;
	sources->lines = xreallocarray(sources->lines, sources->count + 2, sizeof(char *));
	sources->lines[sources->count++] = take_ptr(line);
	sources->lines[sources->count] = NULL;
}

void sources_add_default(struct sources *sources, const char *suite)
{
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		_cleanup_free_ char *name = text_format("%s%s", suite, suffixes[i]);

		add_line(sources,
			 i == 2 ? "http://deb.debian.org/debian-security"
				: "http://deb.debian.org/debian",
			 name);
	}
}

/* The next word of *at, moved past it; the caller frees. NULL at the end. */
static char *next_word(const char **at)
{
	const char *start = *at + strspn(*at, " \t\r\n");
	size_t length = strcspn(start, " \t\r\n");

	*at = start + length;
	return length ? text_dup_n(start, length) : NULL;
}

static bool has_word(const char *text, const char *word)
{
	const char *at = text;
	bool found = false;

	for (char *next; !found && (next = next_word(&at)); free(next))
		found = text_equal(next, word);
	return found;
}

static bool is_suite(const char *name, const char *suite)
{
	size_t length = strlen(suite);

	if (!text_starts(name, suite))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (text_equal(name + length, suffixes[i]))
			return true;
	return false;
}

/* A plain address: what else apt can fetch from (cdrom, file, mirror lists) is not ours to guess.
 */
static bool is_uri(const char *uri)
{
	if (!text_starts(uri, "http://") && !text_starts(uri, "https://"))
		return false;
	return !strpbrk(uri, "[]'\"\\");
}

static void add_all(struct sources *sources, const char *uris, const char *suites,
		    const char *suite)
{
	const char *at_uri = uris;

	for (char *uri; (uri = next_word(&at_uri)); free(uri)) {
		const char *at_suite = suites;

		for (char *name; (name = next_word(&at_suite)); free(name))
			if (is_uri(uri) && is_suite(name, suite))
				add_line(sources, uri, name);
	}
}

/* The value of field @name in a stanza, continuation lines included; the caller frees. */
static char *field(const char *stanza, const char *name)
{
	struct strbuf value = STRBUF_INIT;
	bool inside = false;

	for (const char *line = stanza; *line; line += *line == '\n') {
		size_t length = strcspn(line, "\n");
		size_t head = strlen(name);

		if (line[0] != ' ' && line[0] != '\t' && line[0] != '#') {
			inside = length > head && strncasecmp(line, name, head) == 0 &&
				 line[head] == ':';
			if (inside)
				strbuf_add(&value, line + head + 1, length - head - 1);
		} else if (inside && line[0] != '#') {
			strbuf_add(&value, line, length);
		}
		line += length;
	}
	return strbuf_take(&value);
}

static void add_stanza(struct sources *sources, const char *stanza, const char *suite)
{
	_cleanup_free_ char *types = field(stanza, "Types");
	_cleanup_free_ char *uris = field(stanza, "URIs");
	_cleanup_free_ char *suites = field(stanza, "Suites");
	_cleanup_free_ char *components = field(stanza, "Components");
	_cleanup_free_ char *enabled = field(stanza, "Enabled");
	_cleanup_free_ char *trusted = field(stanza, "Trusted");
	_cleanup_free_ char *signed_by = field(stanza, "Signed-By");

	if (has_word(enabled, "no") || has_word(enabled, "false") || has_word(trusted, "yes") ||
	    !has_word(types, "deb") || !has_word(components, "main"))
		return;
	if (*signed_by && !strstr(signed_by, KEYRING_NAME))
		return;
	add_all(sources, uris, suites, suite);
}

static void add_deb822(struct sources *sources, const char *text, const char *suite)
{
	while (*text) {
		const char *end = strstr(text, "\n\n");
		_cleanup_free_ char *stanza =
			end ? text_dup_n(text, (size_t)(end - text)) : text_dup(text);

		add_stanza(sources, stanza, suite);
		text = end ? end + 2 : text + strlen(text);
	}
}

/* "deb [options] URI SUITE COMPONENT…" */
static void add_entry(struct sources *sources, const char *line, const char *suite)
{
	_cleanup_free_ char *type = next_word(&line);
	_cleanup_free_ char *uri = NULL, *name = NULL;

	line += strspn(line, " \t");
	if (*line == '[') {
		const char *end = strchr(line, ']');
		_cleanup_free_ char *options = end ? text_dup_n(line, (size_t)(end - line)) : NULL;

		if (!options || strstr(options, "trusted=yes") ||
		    (strstr(options, "signed-by") && !strstr(options, KEYRING_NAME)))
			return;
		line = end + 1;
	}
	uri = next_word(&line);
	name = next_word(&line);
	if (text_equal(type, "deb") && name && has_word(line, "main"))
		add_all(sources, uri, name, suite);
}

void sources_add(struct sources *sources, const char *text, bool deb822, const char *suite)
{
	if (deb822) {
		add_deb822(sources, text, suite);
		return;
	}
	for (const char *at = text; *at; at += *at == '\n') {
		size_t length = strcspn(at, "\n");
		_cleanup_free_ char *line = text_dup_n(at, strcspn(at, "#\n"));

		add_entry(sources, line, suite);
		at += length;
	}
}
