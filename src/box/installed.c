/*
 * The pool's boxes as a whole, and who uses them. There is no registry: manifests say what is
 * installed, libvirt's domains and overlays say what is in use.
 */
#include "box/installed.h"

#include <string.h>

#include "base/text.h"
#include "box/manifest.h"
#include "domain/libvirt.h"
#include "hook/protocol.h"

int box_list_load(virStoragePoolPtr pool, struct box_list *ret_list, struct error *err)
{
	_cleanup_list_ char **names = NULL;
	struct box_list list = {0};

	if (pool_list(pool, MANIFEST_PREFIX, &names, err) < 0)
		return -1;
	for (char **name = names; *name; name++) {
		_cleanup_error_ struct error ignored = ERROR_INIT;
		_cleanup_free_ char *expected = NULL;
		struct box box;

		if (box_load_manifest(pool, *name, &box, &ignored) < 0)
			continue; /* half-written or foreign: not a box */
		expected = manifest_name(box.name);
		if (!text_equal(expected, *name)) {
			box_done(&box);
			continue;
		}
		list.boxes = xreallocarray(list.boxes, list.count + 1, sizeof(*list.boxes));
		list.boxes[list.count++] = box;
	}
	*ret_list = list;
	return 0;
}

void box_list_done(struct box_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		box_done(&list->boxes[i]);
	free(list->boxes);
	*list = (struct box_list){0};
}

const struct box *box_list_find(const struct box_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (text_equal(list->boxes[i].name, name))
			return &list->boxes[i];
	return NULL;
}

bool box_list_uses(const struct box_list *list, const char *volume, const struct box *except)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct box *box = &list->boxes[i];

		if (box != except &&
		    (text_equal(box->image, volume) || text_equal(box->kernel, volume) ||
		     text_equal(box->initrd, volume)))
			return true;
	}
	return false;
}

struct users {
	char **names;
	size_t count;
};

static void add_user(struct users *users, const char *name)
{
	for (size_t i = 0; i < users->count; i++)
		if (text_equal(users->names[i], name))
			return;
	users->names = xreallocarray(users->names, users->count + 2, sizeof(*users->names));
	users->names[users->count++] = text_dup(name);
	users->names[users->count] = NULL;
}

static void add_domain(struct users *users, virDomainPtr domain, const char *digest)
{
	static const unsigned int flags[] = {0, VIR_DOMAIN_XML_INACTIVE};
	const char *name = virDomainGetName(domain);

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		_cleanup_free_ char *xml = virDomainGetXMLDesc(domain, flags[i]);

		if (xml && strstr(xml, digest))
			add_user(users, text_starts(name, SANDBOX_PREFIX)
						? name + strlen(SANDBOX_PREFIX)
						: name);
	}
}

static int add_domains(struct users *users, virConnectPtr connection, const char *digest,
		       struct error *err)
{
	virDomainPtr *domains = NULL;
	int count = virConnectListAllDomains(connection, &domains, 0);

	if (count < 0)
		return libvirt_error(err, EX_UNAVAILABLE, "cannot list the domains");
	for (int i = 0; i < count; i++) {
		add_domain(users, domains[i], digest);
		virDomainFree(domains[i]);
	}
	free(domains);
	return 0;
}

/*
 * Overlays whose domain is gone: something is half there, and still needs its base. Layers that
 * somebody may start from.
 */
static int add_overlays(struct users *users, virStoragePoolPtr pool, const char *prefix,
			const char *digest, struct error *err)
{
	_cleanup_list_ char **names = NULL;

	if (pool_list(pool, prefix, &names, err) < 0)
		return -1;
	for (char **name = names; *name; name++) {
		_cleanup_volume_facts_ struct volume_facts facts = {0};
		_cleanup_error_ struct error ignored = ERROR_INIT;

		if (pool_examine(pool, *name, &facts, &ignored) == 0 && facts.backing_path &&
		    strstr(facts.backing_path, digest))
			add_user(users, *name);
	}
	return 0;
}

int box_users(virConnectPtr connection, virStoragePoolPtr pool, const char *digest,
	      char ***ret_users, struct error *err)
{
	struct users users = {.names = xcalloc(1, sizeof(char *))};

	if (add_domains(&users, connection, digest, err) < 0 ||
	    (users.count == 0 && add_overlays(&users, pool, "disk-", digest, err) < 0) ||
	    (users.count == 0 && add_overlays(&users, pool, "layer-", digest, err) < 0)) {
		free_list(users.names);
		return -1;
	}
	*ret_users = users.names;
	return 0;
}
