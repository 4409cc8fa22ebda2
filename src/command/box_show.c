/*
 * Boxes shown to people and programs. Manifests may be written by other users of the pool: what
 * comes from them is escaped.
 */
#include "command/box_show.h"

#include <json-c/json.h>
#include <stdio.h>

#include "base/strbuf.h"
#include "base/text.h"
#include "command/print.h"

static void add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, text ? json_object_new_string(text) : NULL);
}

static struct json_object *box_json(const char *name, const struct description *description,
				    const struct box *box)
{
	struct json_object *object = json_object_new_object();

	add_text(object, "name", name);
	add_text(object, "summary", description ? description->summary : NULL);
	json_object_object_add(object, "installed", json_object_new_boolean(box != NULL));
	add_text(object, "login", description ? description->login : NULL);
	if (!box)
		return object;
	add_text(object, "digest", box->digest);
	add_text(object, "format", box->format);
	add_text(object, "boot", box->kernel ? "kernel" : box->firmware);
	add_text(object, "source", box->source);
	add_text(object, "created", box->created);
	json_object_object_add(object, "virtual_bytes", json_object_new_uint64(box->virtual_size));
	json_object_object_add(object, "stored_bytes", json_object_new_uint64(box->stored_size));
	return object;
}

static void print_json(struct json_object *object)
{
	json_print(object);
	json_object_put(object);
}

static void print_escaped(const char *text)
{
	_cleanup_free_ char *safe = text_escape(text, strlen(text), false);

	puts(safe);
}

static void print_row(const char *name, const struct description *description,
		      const struct box *box)
{
	char size[32] = "-";

	if (box)
		snprintf(size, sizeof(size), "%llu MiB",
			 (unsigned long long)(box->stored_size >> 20));
	printf("%-18s %-10s %9s  ", name, box ? "installed" : "-", size);
	print_escaped(description ? description->summary : box ? box->source : "");
}

struct row {
	char *name;
	bool described;
};

/* The names of all boxes: those described, then those that are only installed. */
static struct row *all_rows(const struct box_list *installed, size_t *ret_count)
{
	_cleanup_list_ char **names = description_names();
	struct row *rows = NULL;
	size_t count = 0;

	for (char **name = names; *name; name++) {
		rows = xreallocarray(rows, count + 1, sizeof(*rows));
		rows[count++] = (struct row){text_dup(*name), true};
	}
	for (size_t i = 0; i < installed->count; i++) {
		const char *name = installed->boxes[i].name;
		bool seen = false;

		for (size_t j = 0; j < count && !seen; j++)
			seen = text_equal(rows[j].name, name);
		if (seen)
			continue;
		rows = xreallocarray(rows, count + 1, sizeof(*rows));
		rows[count++] = (struct row){text_dup(name), false};
	}
	*ret_count = count;
	return rows;
}

static int show_row(const struct row *row, const struct box_list *installed,
		    struct json_object *array, struct error *err)
{
	_cleanup_description_ struct description description = {0};
	const struct box *box = box_list_find(installed, row->name);

	if (row->described && description_load(row->name, &description, err) < 0)
		return -1;
	if (array)
		json_object_array_add(
			array, box_json(row->name, row->described ? &description : NULL, box));
	else
		print_row(row->name, row->described ? &description : NULL, box);
	return 0;
}

int box_show_list(const struct box_list *installed, bool json, struct error *err)
{
	struct json_object *array = json ? json_object_new_array() : NULL;
	size_t count;
	struct row *rows = all_rows(installed, &count);
	int result = 0;

	if (!json)
		printf("%-18s %-10s %9s  %s\n", "NAME", "STATE", "SIZE", "DESCRIPTION");
	for (size_t i = 0; i < count; i++) {
		if (result == 0)
			result = show_row(&rows[i], installed, array, err);
		free(rows[i].name);
	}
	free(rows);
	if (array && result == 0)
		print_json(json_object_get(array));
	json_object_put(array);
	return result;
}

static void print_pair(const char *key, const char *text)
{
	if (!text)
		return;
	printf("%-12s ", key);
	print_escaped(text);
}

static void show_description(const struct description *description)
{
	print_pair("name:", description->name);
	print_pair("summary:", description->summary);
	print_pair("login:", description->login);
	print_pair("from:", description->url ? description->url : "a recipe");
}

static void show_box(const struct box *box, char *const *users)
{
	_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;

	print_pair("source:", box->source);
	print_pair("created:", box->created);
	print_pair("sha256:", box->digest);
	print_pair("format:", box->format);
	print_pair("boot:", box->kernel ? "kernel" : box->firmware);
	print_pair("cmdline:", box->cmdline);
	printf("%-12s %llu MiB\n", "disk:", (unsigned long long)(box->virtual_size >> 20));
	printf("%-12s %llu MiB\n", "stored:", (unsigned long long)(box->stored_size >> 20));
	for (; users && *users; users++)
		strbuf_addf(&names, "%s%s", names.length ? ", " : "", *users);
	print_pair("used by:", names.length ? names.text : "nobody");
}

static void show_text(const struct description *description, const struct box *box,
		      char *const *users)
{
	if (description)
		show_description(description);
	else if (box)
		print_pair("name:", box->name);
	print_pair("installed:", box ? "yes" : "no");
	if (box)
		show_box(box, users);
}

void box_show_info(const struct description *description, const struct box *box, char *const *users,
		   bool json)
{
	struct json_object *object, *array;

	if (!json) {
		show_text(description, box, users);
		return;
	}
	object = box_json(description ? description->name : box->name, description, box);
	add_text(object, "url", description ? description->url : NULL);
	array = json_object_new_array();
	for (; users && *users; users++)
		json_object_array_add(array, json_object_new_string(*users));
	json_object_object_add(object, "users", array);
	print_json(object);
}
