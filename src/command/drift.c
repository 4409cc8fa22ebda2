/*
 * A promise that no longer holds must not pass for one that does. What the kernel holds (namespace,
 * rules, links) the helper compares with what should be there; which devices the running guest
 * has been given meanwhile, libvirt says, since no hook is called for a hot-plugged one.
 */
#include "command/drift.h"

#include <json-c/json.h>
#include <libxml/parser.h>

#include "base/log.h"
#include "base/text.h"
#include "command/helper.h"
#include "command/policy_state.h"
#include "domain/libvirt.h"
#include "domain/live.h"
#include "hook/protocol.h"
#include "hook/whitelist.h"

struct list {
	char **items; /* NULL-terminated */
	size_t count;
};

static void list_add(struct list *list, const char *text)
{
	list->items = xreallocarray(list->items, list->count + 2, sizeof(*list->items));
	list->items[list->count++] = text_dup(text);
	list->items[list->count] = NULL;
}

/* The helper answers with a list of texts. */
static int add_answer(struct list *list, const char *text, struct error *err)
{
	json_object *root = json_tokener_parse(text);
	bool ok = root && json_object_is_type(root, json_type_array);

	for (size_t i = 0; ok && i < json_object_array_length(root); i++)
		list_add(list, json_object_get_string(json_object_array_get_idx(root, i)));
	json_object_put(root);
	return ok ? 0 : error_set(err, EX_SOFTWARE, "the helper's answer is not understood");
}

static int add_kernel_side(struct list *list, const struct project *project, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;

	if (helper_run("verify", project->config.name, &answer, err) < 0)
		return error_prefix(err, "cannot verify the sandbox's gateway");
	return add_answer(list, strbuf_text(&answer), err);
}

/* The running domain against the table by which the hook lets it start. */
static int add_devices(struct list *list, const struct project *project, struct error *err)
{
	_cleanup_free_ char *xml = virDomainGetXMLDesc(project->domain.handle, 0);
	_cleanup_error_ struct error differs = ERROR_INIT;
	xmlDocPtr doc;

	if (!xml)
		return libvirt_error(err, EX_SOFTWARE, "cannot read the running domain");
	doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
			    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (!doc)
		return error_set(err, EX_SOFTWARE, "the running domain is not XML");
	if (whitelist_check(xmlDocGetRootElement(doc), &project->domain.definition.metadata,
			    &differs) < 0)
		list_add(list, differs.message);
	xmlFreeDoc(doc);
	return 0;
}

/* What root has put into force against what the running domain says. */
static int add_policy(struct list *list, const struct project *project, struct error *err)
{
	_cleanup_metadata_ struct metadata live = {0};
	_cleanup_record_ struct record record = {0};
	_cleanup_error_ struct error unknown = ERROR_INIT;
	struct policy policy;

	if (record_load(project->config.name, &record, &unknown) < 0)
		return 0; /* without a record there is more than this to say, and it is said */
	if (live_metadata(project->domain.handle, &live, err) < 0)
		return -1;
	if (policy_in_force(&record, &policy, &unknown) < 0) {
		if (unknown.code != EXIT_STATE)
			list_add(list, unknown.message);
		return 0;
	}
	if (!policy_equal(&policy, &live.policy))
		list_add(list, "the policy in force is not the one that the running domain names: "
			       "'migrant reload --policy' makes it whole");
	return 0;
}

int drift_find(const struct project *project, char ***ret_list, struct error *err)
{
	struct list list = {.items = xcalloc(1, sizeof(*list.items))};

	if (add_kernel_side(&list, project, err) < 0 || add_policy(&list, project, err) < 0 ||
	    add_devices(&list, project, err) < 0) {
		free_list(list.items);
		return -1;
	}
	*ret_list = list.items;
	return 0;
}

int drift_check(const struct project *project, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	char **list = NULL;

	if (drift_find(project, &list, err) < 0)
		return -1;
	for (char **item = list; *item; item++) {
		if (text_starts(*item, DRIFT_WARNING))
			log_warning("%s", *item + strlen(DRIFT_WARNING));
		else
			strbuf_addf(&text, "%s%s", text.length ? "; " : "", *item);
	}
	free_list(list);
	if (!text.length)
		return 0;
	error_set(err, EX_SOFTWARE, "the sandbox is not what was promised: %s", strbuf_text(&text));
	return error_hint(err, "'migrant halt' and 'migrant up' set it up anew");
}
