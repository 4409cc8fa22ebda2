/*
 * A playbook is played for one sandbox and may speak of the others of its project. How each is
 * reached is root's record's and its metadata's word, as for the sandbox itself.
 */
#include "command/hosts.h"

#include "base/text.h"
#include "domain/list.h"

void hosts_done(struct host_list *hosts)
{
	for (size_t i = 0; i < hosts->owned_count; i++)
		project_access_done(&hosts->owned[i]);
	free(hosts->owned);
	free(hosts->items);
	if (hosts->domains)
		domain_list_done(hosts->domains);
	free(hosts->domains);
	*hosts = (struct host_list){0};
}

/* Its access, when it runs. */
static bool find_access(const struct listed *item, struct project_access *ret_access)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	struct project other = PROJECT_INIT; /* borrows */

	if (item->domain.state != DOMAIN_RUNNING)
		return false;
	other.domain = item->domain;
	other.config.name = item->name;
	return project_find_access(&other, ret_access, &ignored) == 0;
}

void hosts_find(const struct project *project, const struct guest_access *access,
		struct host_list *ret_hosts)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	struct domain_list *list = xcalloc(1, sizeof(*list));
	struct host_list hosts = {.domains = list, .count = 1};

	if (domain_list(project->connection, getuid(), false, list, &ignored) < 0)
		list->count = 0;
	hosts.items = xcalloc(list->count + 1, sizeof(*hosts.items));
	hosts.owned = xcalloc(list->count + 1, sizeof(*hosts.owned));
	hosts.items[0] = *access;
	for (size_t i = 0; i < list->count; i++) {
		const struct listed *item = &list->items[i];
		struct project_access *found = &hosts.owned[hosts.owned_count];

		if (text_equal(item->name, project->config.name) || item->problem ||
		    !text_equal(item->domain.definition.metadata.directory,
				project->config.directory) ||
		    !find_access(item, found))
			continue;
		hosts.owned_count++;
		hosts.items[hosts.count++] = found->access;
	}
	*ret_hosts = hosts;
}
