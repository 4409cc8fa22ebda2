/*
 * `migrant global-status`: the sandboxes of the user on this host, whatever directory they belong
 * to. The list is libvirt's; what is shown of each comes from its metadata and its record.
 */
#include <json-c/json.h>
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "command/print.h"
#include "command/project.h"
#include "domain/libvirt.h"
#include "domain/list.h"

enum column { COLUMN_NAME, COLUMN_STATE, COLUMN_ADDRESS, COLUMN_BOX, COLUMN_PLACE, COLUMNS };

/* One line of the table, already fit to be printed. */
struct line {
	char *cells[COLUMNS];
};

static bool runs(const struct domain *domain)
{
	return domain->state == DOMAIN_RUNNING || domain->state == DOMAIN_PAUSED;
}

/* Where the host reaches it, or NULL. The caller frees. */
static char *find_address(const struct listed *item)
{
	_cleanup_record_ struct record record = {0};
	_cleanup_error_ struct error ignored = ERROR_INIT;

	if (!runs(&item->domain) || record_load(item->name, &record, &ignored) < 0 ||
	    !text_equal(record.uuid, item->domain.definition.metadata.uuid))
		return NULL;
	return text_dup(record.control_address);
}

static json_object *text_or_null(const char *text)
{
	return text ? json_object_new_string(text) : NULL;
}

static json_object *describe(const struct listed *item)
{
	const struct metadata *metadata = &item->domain.definition.metadata;
	_cleanup_free_ char *address = find_address(item);
	json_object *entry = json_object_new_object();

	json_object_object_add(entry, "name", json_object_new_string(item->name));
	json_object_object_add(entry, "dir", text_or_null(metadata->directory));
	json_object_object_add(
		entry, "state",
		item->problem ? NULL
			      : json_object_new_string(domain_state_name(item->domain.state)));
	json_object_object_add(entry, "ip", text_or_null(address));
	json_object_object_add(entry, "box", text_or_null(metadata->box));
	json_object_object_add(entry, "owner",
			       item->problem ? NULL : json_object_new_int64(metadata->owner));
	json_object_object_add(entry, "problem", text_or_null(item->problem));
	return entry;
}

static void print_json(const struct domain_list *list)
{
	json_object *array = json_object_new_array();

	for (size_t i = 0; i < list->count; i++)
		json_object_array_add(array, describe(&list->items[i]));
	json_print(array);
	json_object_put(array);
}

static char *shown(const char *text)
{
	return text ? text_escape(text, strlen(text), false) : text_dup("-");
}

static struct line make_line(const struct listed *item)
{
	const struct metadata *metadata = &item->domain.definition.metadata;
	_cleanup_free_ char *address = find_address(item);

	return (struct line){{
		[COLUMN_NAME] = shown(item->name),
		[COLUMN_STATE] =
			text_dup(item->problem ? "broken" : domain_state_name(item->domain.state)),
		[COLUMN_ADDRESS] = shown(address),
		[COLUMN_BOX] = shown(metadata->box),
		[COLUMN_PLACE] = shown(item->problem ? item->problem : metadata->directory),
	}};
}

static void print_lines(const struct line *lines, size_t count)
{
	size_t widths[COLUMNS] = {0};

	for (size_t i = 0; i < count; i++)
		for (size_t column = 0; column < COLUMNS; column++)
			if (strlen(lines[i].cells[column]) > widths[column])
				widths[column] = strlen(lines[i].cells[column]);
	for (size_t i = 0; i < count; i++) {
		for (size_t column = 0; column < COLUMN_PLACE; column++)
			printf("%-*s  ", (int)widths[column], lines[i].cells[column]);
		puts(lines[i].cells[COLUMN_PLACE]);
	}
}

static void print_people(const struct domain_list *list)
{
	static const char *const headings[COLUMNS] = {"NAME", "STATE", "IP", "BOX", "DIRECTORY"};
	_cleanup_free_ struct line *lines = xcalloc(list->count + 1, sizeof(*lines));

	if (!list->count) {
		log_info("you have no sandboxes; 'migrant init' and 'migrant up' make one");
		return;
	}
	for (size_t column = 0; column < COLUMNS; column++)
		lines[0].cells[column] = text_dup(headings[column]);
	for (size_t i = 0; i < list->count; i++)
		lines[i + 1] = make_line(&list->items[i]);
	print_lines(lines, list->count + 1);
	for (size_t i = 0; i <= list->count; i++)
		for (size_t column = 0; column < COLUMNS; column++)
			free(lines[i].cells[column]);
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_connection_ virConnectPtr connection = NULL;
	_cleanup_domain_list_ struct domain_list list = {0};

	if (libvirt_connect(&connection, err) < 0 ||
	    domain_list(connection, getuid(), option_flag(invocation, "all"), &list, err) < 0)
		return -1;
	if (option_flag(invocation, "json"))
		print_json(&list);
	else
		print_people(&list);
	return 0;
}

static const struct option options[] = {
	{'a', "all", OPTION_FLAG, NULL, "those of other users as well"},
	{0, "json", OPTION_FLAG, NULL, "print one JSON document"},
	{0},
};

const struct command command_global_status = {
	.name = "global-status",
	.group = "lifecycle",
	.summary = "list your sandboxes, wherever their projects are",
	.example = "migrant global-status",
	.details = "'migrant ssh NAME', 'status NAME', 'halt NAME' and 'destroy NAME' work from "
		   "any\n"
		   "directory.\n",
	.options = options,
	.run = run,
};
