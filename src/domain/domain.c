/*
 * The definition in libvirt is the only registry of sandboxes: it says whose a name is, and it is
 * there from before the first volume is made until after the last one is gone.
 */
#include "domain/domain.h"

#include <libvirt/virterror.h>
#include <libxml/parser.h>

#include "base/text.h"
#include "domain/ask.h"
#include "domain/domain_xml.h"
#include "domain/libvirt.h"

static const char *const state_names[] = {
	[DOMAIN_ABSENT] = "absent", [DOMAIN_RUNNING] = "running", [DOMAIN_SHUTOFF] = "shutoff",
	[DOMAIN_PAUSED] = "paused", [DOMAIN_SAVED] = "saved",	  [DOMAIN_CRASHED] = "crashed",
};

const char *domain_state_name(enum domain_state state)
{
	return state_names[state];
}

void domain_done(struct domain *domain)
{
	if (domain->handle)
		virDomainFree(domain->handle);
	definition_done(&domain->definition);
	*domain = (struct domain)DOMAIN_INIT;
}

static bool is_libvirt_error(int code)
{
	virErrorPtr error = virGetLastError();

	return error && error->code == code;
}

enum domain_state domain_current_state(virDomainPtr handle)
{
	int state = VIR_DOMAIN_NOSTATE;
	int reason = 0;

	if (virDomainGetState(handle, &state, &reason, 0) < 0)
		return DOMAIN_ABSENT;
	switch (state) {
	case VIR_DOMAIN_RUNNING:
	case VIR_DOMAIN_BLOCKED:
	case VIR_DOMAIN_SHUTDOWN:
		return DOMAIN_RUNNING;
	case VIR_DOMAIN_PAUSED:
	case VIR_DOMAIN_PMSUSPENDED:
		return DOMAIN_PAUSED;
	case VIR_DOMAIN_CRASHED:
		return DOMAIN_CRASHED;
	default:
		break;
	}
	if (virDomainHasManagedSaveImage(handle, 0) == 1)
		return DOMAIN_SAVED;
	return reason == VIR_DOMAIN_SHUTOFF_CRASHED ? DOMAIN_CRASHED : DOMAIN_SHUTOFF;
}

/* A copy of a sandbox's domain, made by hand, carries metadata that speak of another one. */
static bool is_same(virDomainPtr handle, const char *name, const struct metadata *metadata)
{
	char uuid[VIR_UUID_STRING_BUFLEN];

	return virDomainGetUUIDString(handle, uuid) == 0 && text_equal(uuid, metadata->uuid) &&
	       text_equal(name, metadata->name);
}

static int foreign(const char *name, struct error *err)
{
	error_set(err, EX_CANTCREAT,
		  "there is a virtual machine " SANDBOX_PREFIX "%s that migrant has not made",
		  name);
	return error_hint(err, "choose another name: in the Migrantfile");
}

static int read_definition(virDomainPtr handle, const char *name, struct definition *ret_definition,
			   struct error *err)
{
	_cleanup_definition_ struct definition definition = {0};
	_cleanup_free_ char *xml = virDomainGetXMLDesc(handle, VIR_DOMAIN_XML_INACTIVE);

	if (!xml)
		return libvirt_error(err, EX_SOFTWARE, "cannot read the domain");
	if (definition_parse(xml, &definition, err) < 0)
		return err->code == EX_CANTCREAT ? foreign(name, err) : -1;
	if (!is_same(handle, name, &definition.metadata))
		return foreign(name, err);
	*ret_definition = definition;
	definition = (struct definition){0};
	return 0;
}

int domain_find(virConnectPtr connection, const char *name, struct domain *ret_domain,
		struct error *err)
{
	_cleanup_free_ char *full_name = text_format(SANDBOX_PREFIX "%s", name);
	_cleanup_domain_ struct domain domain = DOMAIN_INIT;

	domain.handle = virDomainLookupByName(connection, full_name);
	if (!domain.handle && !is_libvirt_error(VIR_ERR_NO_DOMAIN))
		return libvirt_error(err, EX_UNAVAILABLE, "cannot look the domain up");
	if (domain.handle) {
		if (read_definition(domain.handle, name, &domain.definition, err) < 0)
			return -1;
		domain.state = domain_current_state(domain.handle);
	}
	*ret_domain = domain;
	domain = (struct domain)DOMAIN_INIT;
	return 0;
}

int domain_check_owner(const struct domain *domain, uid_t owner, const char *directory,
		       struct error *err)
{
	const struct metadata *metadata = &domain->definition.metadata;

	if (!domain->handle)
		return 0;
	if (metadata->owner != owner) {
		error_set(err, EX_NOPERM, "the sandbox '%s' belongs to another user (uid %u)",
			  metadata->name, metadata->owner);
		return error_hint(err, "choose another name: in the Migrantfile");
	}
	if (text_equal(metadata->directory, directory))
		return 0;
	error_set(err, EX_CANTCREAT, "the name '%s' belongs to the sandbox of %s", metadata->name,
		  metadata->directory);
	return error_hint(err, "choose another name: in the Migrantfile, or 'migrant destroy' in "
			       "that directory");
}

int domain_define(virConnectPtr connection, const char *xml, virDomainPtr *ret_handle,
		  struct error *err)
{
	virDomainPtr handle = virDomainDefineXML(connection, xml);

	if (!handle)
		return libvirt_error(err, EX_CANTCREAT, "cannot define the domain");
	if (ret_handle)
		*ret_handle = handle;
	else
		virDomainFree(handle);
	return 0;
}

int domain_start_paused(virDomainPtr handle, struct error *err)
{
	if (virDomainCreateWithFlags(handle, VIR_DOMAIN_START_PAUSED) < 0)
		return libvirt_error(err, EX_SOFTWARE, "cannot start the guest");
	return 0;
}

int domain_limit_memory(virDomainPtr handle, uint64_t bytes, struct error *err)
{
	virTypedParameter limit = {.type = VIR_TYPED_PARAM_ULLONG, .value.ul = bytes / 1024};
	_Static_assert(sizeof(VIR_DOMAIN_MEMORY_HARD_LIMIT) <= sizeof(limit.field), "it fits");

	memcpy(limit.field, VIR_DOMAIN_MEMORY_HARD_LIMIT, sizeof(VIR_DOMAIN_MEMORY_HARD_LIMIT));
	if (virDomainSetMemoryParameters(handle, &limit, 1, VIR_DOMAIN_AFFECT_LIVE) < 0)
		return libvirt_error(err, EX_UNAVAILABLE, "cannot limit the guest's memory");
	return 0;
}

/* @xml without its <memtune>, or NULL when it is not XML. */
static char *without_memtune(const char *xml)
{
	xmlDocPtr doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
				      XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	xmlNodePtr node = doc ? xmlDocGetRootElement(doc)->children : NULL;
	xmlChar *dump = NULL;
	char *text;
	int length;

	while (node && !text_equal((const char *)node->name, "memtune"))
		node = node->next;
	if (node) {
		xmlUnlinkNode(node);
		xmlFreeNode(node);
	}
	if (doc)
		xmlDocDumpMemory(doc, &dump, &length);
	text = text_dup((const char *)dump);
	xmlFree(dump);
	xmlFreeDoc(doc);
	return text;
}

int domain_unlimit_saved(virDomainPtr handle, struct error *err)
{
	_cleanup_free_ char *xml = NULL;
	_cleanup_free_ char *changed = NULL;

	if (virDomainHasManagedSaveImage(handle, 0) != 1)
		return 0;
	xml = virDomainManagedSaveGetXMLDesc(handle, 0);
	changed = xml ? without_memtune(xml) : NULL;
	if (!changed || virDomainManagedSaveDefineXML(handle, changed, 0) < 0)
		return libvirt_error(err, EX_SOFTWARE, "cannot prepare the saved memory");
	return 0;
}

int domain_resume(virDomainPtr handle, struct error *err)
{
	return ask_now(handle, virDomainResume, ASK_SECONDS, "cannot run the guest", err);
}

int domain_kill(virDomainPtr handle, struct error *err)
{
	if (virDomainDestroy(handle) == 0 || is_libvirt_error(VIR_ERR_OPERATION_INVALID) ||
	    is_libvirt_error(VIR_ERR_NO_DOMAIN))
		return 0;
	return libvirt_error(err, EX_SOFTWARE, "cannot end the guest");
}

int domain_forget_memory(virDomainPtr handle, struct error *err)
{
	if (virDomainHasManagedSaveImage(handle, 0) == 1 &&
	    virDomainManagedSaveRemove(handle, 0) < 0)
		return libvirt_error(err, EX_SOFTWARE, "cannot remove the saved memory");
	return 0;
}

static bool has_stopped(void *data)
{
	return ((struct watch *)data)->stopped;
}

#define HAS_STOPPED 1

static int press_button(virDomainPtr handle)
{
	if (virDomainShutdownFlags(handle, VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN) == 0)
		return 0;
	return is_libvirt_error(VIR_ERR_OPERATION_INVALID) ? HAS_STOPPED : -1;
}

int domain_shut_down(struct watch *watch, unsigned int seconds, struct error *err)
{
	int result = ask_now(watch->domain, press_button, seconds,
			     "cannot ask the guest to shut down", err);

	if (result < 0 || result == HAS_STOPPED)
		return result < 0 ? -1 : 0;
	return wait_until(watch->connection, has_stopped, watch, seconds, err);
}

int domain_undefine(virDomainPtr handle, struct error *err)
{
	unsigned int flags = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_NVRAM |
			     VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
			     VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA;

	if (virDomainUndefineFlags(handle, flags) == 0 || is_libvirt_error(VIR_ERR_NO_DOMAIN))
		return 0;
	return libvirt_error(err, EX_SOFTWARE, "cannot remove the domain");
}

static bool seed_is_gone(void *data)
{
	struct watch *watch = data;

	return watch->device_removed || watch->stopped;
}

int domain_detach_seed(struct watch *watch, unsigned int seconds, struct error *err)
{
	static const char seed[] = "<disk type='file' device='disk'>"
				   "<target dev='" DOMAIN_SEED_TARGET "' bus='virtio'/></disk>";

	if (ask_answers(watch->domain, ASK_SECONDS, err) < 0)
		return -1;
	watch->device_removed = false;
	if (virDomainDetachDeviceFlags(watch->domain, seed, VIR_DOMAIN_AFFECT_LIVE) < 0) {
		if (is_libvirt_error(VIR_ERR_DEVICE_MISSING))
			return 0;
		return libvirt_error(err, EX_SOFTWARE, "cannot take the seed out of the guest");
	}
	return wait_until(watch->connection, seed_is_gone, watch, seconds, err);
}
