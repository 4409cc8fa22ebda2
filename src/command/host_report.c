/*
 * Findings, and how they are shown: lines for people, one JSON document for programs.
 */
#include "command/host.h"

#include <grp.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "command/print.h"

bool host_has_systemd(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

bool host_group(gid_t *ret_group)
{
	const struct group *group =
		getgrnam("libvirt"); // NOLINT(concurrency-mt-unsafe): one thread

	if (!group)
		return false;
	*ret_group = group->gr_gid;
	return true;
}

void finding_set(struct host_finding *found, enum host_state state, const char *format, ...)
{
	va_list args;

	finding_done(found);
	found->state = state;
	va_start(args, format);
	found->text = text_format_args(format, args);
	va_end(args);
}

void finding_hint(struct host_finding *found, const char *format, ...)
{
	va_list args;

	free(found->hint);
	va_start(args, format);
	found->hint = text_format_args(format, args);
	va_end(args);
}

void finding_from_error(struct host_finding *found, struct error *err)
{
	finding_done(found);
	found->state = HOST_ERROR;
	found->text = take_ptr(err->message);
	found->hint = take_ptr(err->hint);
	error_done(err);
}

void finding_done(struct host_finding *found)
{
	free(found->text);
	free(found->hint);
	*found = (struct host_finding){0};
}

const char *host_state_name(enum host_state state)
{
	static const char *const names[] = {
		[HOST_OK] = "ok",
		[HOST_CHANGED] = "changed",
		[HOST_WARNING] = "warning",
		[HOST_ERROR] = "error",
	};

	return names[state];
}

void host_report_text(struct strbuf *report, const char *name, const struct host_finding *found)
{
	const char *text = found->text ? found->text : "";
	_cleanup_free_ char *safe = text_escape(text, strlen(text), false);

	strbuf_addf(report, "%-8s %-16s %s\n", host_state_name(found->state), name, safe);
	if (found->hint) {
		_cleanup_free_ char *hint = text_escape(found->hint, strlen(found->hint), false);

		strbuf_addf(report, "%-25s hint: %s\n", "", hint);
	}
}

static struct json_object *report_json(const char *name, const struct host_finding *found)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "name", json_object_new_string(name));
	json_object_object_add(object, "state",
			       json_object_new_string(host_state_name(found->state)));
	json_object_object_add(object, "text", json_object_new_string(found->text));
	json_object_object_add(object, "hint",
			       found->hint ? json_object_new_string(found->hint) : NULL);
	return object;
}

static void look(const struct host_item *items, struct json_object *checks, unsigned int *errors)
{
	for (; items->name; items++) {
		_cleanup_finding_ struct host_finding found = {0};
		_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

		items->check(&found);
		*errors += found.state == HOST_ERROR;
		if (checks) {
			json_object_array_add(checks, report_json(items->name, &found));
			continue;
		}
		host_report_text(&line, items->name, &found);
		fputs(line.text, stdout);
		fflush(stdout);
	}
}

void host_report(bool json, unsigned int *ret_errors)
{
	struct json_object *document = json ? json_object_new_object() : NULL;
	struct json_object *checks = json ? json_object_new_array() : NULL;

	*ret_errors = 0;
	look(host_items, checks, ret_errors);
	look(host_checks, checks, ret_errors);
	if (!json)
		return;
	json_object_object_add(document, "ok", json_object_new_boolean(*ret_errors == 0));
	json_object_object_add(document, "checks", checks);
	json_print(document);
	json_object_put(document);
}
