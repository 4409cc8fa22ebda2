/*
 * What migrant has in libvirt: its storage pool, and the sandboxes that run, of whomever they are.
 */
#include "command/host.h"

#include <libvirt/libvirt.h>
#include <libxml/parser.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "box/pool.h"
#include "domain/libvirt.h"
#include "hook/protocol.h"

#define POOL_XML                                                                              \
	"<pool type='dir'><name>" POOL_NAME "</name><target><path>" POOL_DIRECTORY            \
	"</path><permissions><mode>0711</mode><owner>0</owner><group>0</group></permissions>" \
	"</target></pool>"

/* -- pool -- */

/* The directory in the pool's description, or NULL. The caller frees. */
static char *pool_target(virStoragePoolPtr pool)
{
	_cleanup_free_ char *xml = virStoragePoolGetXMLDesc(pool, 0);
	xmlDocPtr doc = xml ? xmlReadDoc((const xmlChar *)xml, NULL, NULL, XML_PARSE_NONET) : NULL;
	xmlNodePtr node = doc ? xmlDocGetRootElement(doc) : NULL;
	_cleanup_free_ xmlChar *text = NULL;
	static const char *const path[] = {"target", "path"};

	for (size_t i = 0; node && i < ARRAY_SIZE(path); i++) {
		node = node->children;
		while (node && !text_equal((const char *)node->name, path[i]))
			node = node->next;
	}
	if (node)
		text = xmlNodeGetContent(node);
	xmlFreeDoc(doc);
	return text_dup((const char *)text);
}

static void check_pool(virStoragePoolPtr pool, struct host_finding *found)
{
	_cleanup_free_ char *target = pool_target(pool);
	int autostart = 0;

	if (!text_equal(target, POOL_DIRECTORY)) {
		finding_set(found, HOST_ERROR, "the pool '%s' is another one, at %s", POOL_NAME,
			    target ? target : "no directory");
		return finding_hint(found,
				    "take it away: virsh pool-destroy %s; virsh pool-undefine %s",
				    POOL_NAME, POOL_NAME);
	}
	if (virStoragePoolIsActive(pool) != 1)
		return finding_set(found, HOST_ERROR, "the pool '%s' is not started", POOL_NAME);
	if (virStoragePoolGetAutostart(pool, &autostart) < 0 || !autostart)
		return finding_set(found, HOST_ERROR, "the pool '%s' does not start with libvirt",
				   POOL_NAME);
	finding_set(found, HOST_OK, "the pool '%s' at %s is started", POOL_NAME, POOL_DIRECTORY);
}

void host_pool_check(struct host_finding *found)
{
	_cleanup_connection_ virConnectPtr connection = NULL;
	_cleanup_pool_ virStoragePoolPtr pool = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;

	if (libvirt_connect(&connection, &err) < 0)
		return finding_from_error(found, &err);
	pool = virStoragePoolLookupByName(connection, POOL_NAME);
	if (pool)
		return check_pool(pool, found);
	finding_set(found, HOST_ERROR, "there is no storage pool '%s'", POOL_NAME);
}

int host_pool_fix(struct error *err)
{
	_cleanup_connection_ virConnectPtr connection = NULL;
	_cleanup_pool_ virStoragePoolPtr pool = NULL;
	_cleanup_free_ char *target = NULL;

	if (libvirt_connect(&connection, err) < 0)
		return -1;
	pool = virStoragePoolLookupByName(connection, POOL_NAME);
	if (!pool)
		pool = virStoragePoolDefineXML(connection, POOL_XML, 0);
	if (!pool)
		return libvirt_error(err, EX_CANTCREAT, "cannot define the storage pool");
	target = pool_target(pool);
	if (!text_equal(target, POOL_DIRECTORY)) /* somebody's; the check says what to do */
		return error_set(err, EX_CANTCREAT, "the pool '%s' is another one", POOL_NAME);
	if (virStoragePoolIsActive(pool) != 1 &&
	    (virStoragePoolBuild(pool, 0) < 0 || virStoragePoolCreate(pool, 0) < 0))
		return libvirt_error(err, EX_CANTCREAT, "cannot start the storage pool");
	if (virStoragePoolSetAutostart(pool, 1) < 0)
		return libvirt_error(err, EX_CANTCREAT,
				     "cannot let the storage pool start by itself");
	return 0;
}

int host_pool_remove(struct host_finding *found, struct error *err)
{
	_cleanup_connection_ virConnectPtr connection = NULL;
	_cleanup_pool_ virStoragePoolPtr pool = NULL;

	if (libvirt_connect(&connection, err) < 0)
		return -1;
	pool = virStoragePoolLookupByName(connection, POOL_NAME);
	if (!pool) {
		finding_set(found, HOST_OK, "there is no storage pool '%s'", POOL_NAME);
		return 0;
	}
	if (virStoragePoolIsActive(pool) == 1 && virStoragePoolDestroy(pool) < 0)
		return libvirt_error(err, EX_IOERR, "cannot stop the storage pool");
	if (virStoragePoolUndefine(pool) < 0)
		return libvirt_error(err, EX_IOERR, "cannot undefine the storage pool");
	if (rmdir(POOL_DIRECTORY) == 0 || errno == ENOENT)
		finding_set(found, HOST_CHANGED, "removed the pool and %s", POOL_DIRECTORY);
	else
		finding_set(found, HOST_CHANGED,
			    "removed the pool; %s stays, there are boxes or disks in it",
			    POOL_DIRECTORY);
	return 0;
}

/* -- sandboxes -- */

static bool is_sandbox(virDomainPtr domain)
{
	_cleanup_free_ char *metadata = NULL;

	if (!text_starts(virDomainGetName(domain), SANDBOX_PREFIX))
		return false;
	metadata = virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, METADATA_URI, 0);
	return metadata != NULL;
}

static bool has_run_directories(void)
{
	_cleanup_closedir_ DIR *dir = opendir(RUN_DIR);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && entry->d_type == DT_DIR)
			return true;
	return false;
}

bool host_has_sandboxes(void)
{
	_cleanup_connection_ virConnectPtr connection = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;
	virDomainPtr *domains = NULL;
	bool found = false;
	int count;

	if (libvirt_connect(&connection, &err) < 0)
		return has_run_directories();
	count = virConnectListAllDomains(connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
	if (count < 0)
		return has_run_directories();
	for (int i = 0; i < count; i++) {
		found = found || is_sandbox(domains[i]);
		virDomainFree(domains[i]);
	}
	free(domains);
	return found;
}
