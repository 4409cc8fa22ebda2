/*
 * A sandbox is known by its domain alone, so that a list of them cannot be out of date. A domain
 * that another program has given a name like ours is no sandbox, and one that goes while we look
 * was none.
 */
#include "domain/list.h"

#include "base/text.h"
#include "domain/libvirt.h"

static void listed_done(struct listed *item)
{
	free(item->name);
	free(item->problem);
	domain_done(&item->domain);
	*item = (struct listed){0};
}

void domain_list_done(struct domain_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		listed_done(&list->items[i]);
	free(list->items);
	*list = (struct domain_list){0};
}

static void handles_free(virDomainPtr *handles)
{
	for (virDomainPtr *handle = handles; handle && *handle; handle++)
		virDomainFree(*handle);
	free(handles);
}

/* Adds the sandbox if it is one that is asked for. */
static void add(struct domain_list *list, virConnectPtr connection, const char *name, uid_t owner,
		bool everybody)
{
	struct listed *item = &list->items[list->count];
	_cleanup_error_ struct error err = ERROR_INIT;
	bool wanted;

	*item = (struct listed){.name = text_dup(name)};
	if (domain_find(connection, name, &item->domain, &err) < 0) {
		item->problem = text_dup(err.message);
		wanted = everybody && err.code == EX_DATAERR;
	} else {
		wanted = item->domain.handle &&
			 (everybody || item->domain.definition.metadata.owner == owner);
	}
	if (wanted)
		list->count++;
	else
		listed_done(item);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

int domain_list(virConnectPtr connection, uid_t owner, bool everybody, struct domain_list *ret_list,
		struct error *err)
{
	virDomainPtr *handles = NULL;
	int count = virConnectListAllDomains(connection, &handles, 0);

	*ret_list = (struct domain_list){0};
	if (count < 0)
		return libvirt_error(err, EX_UNAVAILABLE, "cannot list the sandboxes");
	ret_list->items = xcalloc((size_t)count + 1, sizeof(*ret_list->items));
	for (int i = 0; i < count; i++) {
		const char *name = virDomainGetName(handles[i]);

		if (name && text_starts(name, SANDBOX_PREFIX))
			add(ret_list, connection, name + strlen(SANDBOX_PREFIX), owner, everybody);
	}
	qsort(ret_list->items, ret_list->count, sizeof(*ret_list->items), by_name);
	handles_free(handles);
	return 0;
}
