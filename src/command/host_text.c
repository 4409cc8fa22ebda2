/*
 * The pure half of looking at a host: texts of the kernel and of libvirt's configuration, read and
 * rewritten. What is changed in a file that belongs to libvirt is marked, so that it can be undone.
 */
#include "command/host.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* In front of a line of the administrator's that our own settings replace. */
#define REPLACED_MARK "#migrant# "
#define BLOCK_BEGIN   "# migrant setup: access by group, as there is no polkit on this host\n"
#define BLOCK_END     "# migrant setup: end\n"

static const struct {
	const char *key, *value;
} access_settings[] = {
	{"auth_unix_rw", "none"},
	{"unix_sock_group", "libvirt"},
	{"unix_sock_rw_perms", "0770"},
};

bool mountinfo_is_shared(const char *mountinfo, uint64_t id)
{
	_cleanup_free_ char *start = text_format("%" PRIu64 " ", id);

	/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG…] - TYPE SOURCE SUPER (proc(5)) */
	for (const char *line = mountinfo; line && *line;) {
		const char *end = strchrnul(line, '\n');
		const char *tags = strstr(line, " shared:");
		const char *separator = strstr(line, " - ");

		if (text_starts(line, start))
			return tags && separator && tags < separator && separator < end;
		line = *end ? end + 1 : end;
	}
	return false;
}

/* The value part of the line when it sets @key, else NULL. */
static const char *setting(const char *line, const char *key)
{
	line += strspn(line, " \t");
	if (!text_starts(line, key))
		return NULL;
	line += strlen(key);
	line += strspn(line, " \t");
	if (*line != '=')
		return NULL;
	return line + 1 + strspn(line + 1, " \t");
}

char *daemon_conf_value(const char *conf, const char *key)
{
	for (const char *line = conf; *line;) {
		const char *end = strchrnul(line, '\n');
		const char *value = setting(line, key);

		if (value && (*value == '"' || *value == '\''))
			return text_dup_n(value + 1, strcspn(value + 1, "\"'\n"));
		if (value)
			return text_dup_n(value, strcspn(value, " \t#\n"));
		line = *end ? end + 1 : end;
	}
	return NULL;
}

static bool is_access_setting(const char *line)
{
	for (size_t i = 0; i < ARRAY_SIZE(access_settings); i++)
		if (setting(line, access_settings[i].key))
			return true;
	return false;
}

char *daemon_conf_restore(const char *conf)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	bool ours = false;

	for (const char *line = conf; *line;) {
		const char *end = strchrnul(line, '\n');
		const char *next = *end ? end + 1 : end;

		if (text_starts(line, BLOCK_BEGIN))
			ours = true;
		if (!ours && text_starts(line, REPLACED_MARK))
			line += strlen(REPLACED_MARK);
		if (!ours)
			strbuf_add(&text, line, (size_t)(next - line));
		if (text_starts(line, BLOCK_END))
			ours = false;
		line = next;
	}
	return strbuf_take(&text);
}

char *daemon_conf_grant(const char *conf)
{
	_cleanup_free_ char *clean = daemon_conf_restore(conf);
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	for (const char *line = clean; *line;) {
		const char *end = strchrnul(line, '\n');

		if (is_access_setting(line))
			strbuf_add_text(&text, REPLACED_MARK);
		strbuf_add(&text, line, (size_t)(end - line));
		strbuf_add_char(&text, '\n');
		line = *end ? end + 1 : end;
	}
	strbuf_add_text(&text, BLOCK_BEGIN);
	for (size_t i = 0; i < ARRAY_SIZE(access_settings); i++)
		strbuf_addf(&text, "%s = \"%s\"\n", access_settings[i].key,
			    access_settings[i].value);
	strbuf_add_text(&text, BLOCK_END);
	return strbuf_take(&text);
}

bool daemon_conf_grants(const char *conf)
{
	for (size_t i = 0; i < ARRAY_SIZE(access_settings); i++) {
		_cleanup_free_ char *value = daemon_conf_value(conf, access_settings[i].key);

		if (!text_equal(value, access_settings[i].value))
			return false;
	}
	return true;
}
