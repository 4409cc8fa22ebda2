/*
 * libvirt saves no guest that has a folder of the host: what virtiofsd knows of it is not in QEMU.
 * So folders are unplugged before and plugged in again afterwards, while the guest does not run.
 */
#include "domain/memory.h"

#include <libvirt/virterror.h>

#include "base/text.h"
#include "domain/ask.h"
#include "domain/devices.h"
#include "domain/libvirt.h"
#include "hook/protocol.h"

int domain_save_memory(virDomainPtr handle, struct error *err)
{
	if (ask_answers(handle, ASK_SECONDS, err) < 0)
		return error_prefix(err, "cannot save the guest's memory");
	if (virDomainManagedSave(handle, 0) < 0)
		return libvirt_error(err, EX_SOFTWARE, "cannot save the guest's memory");
	return 0;
}

int domain_read_memory(virConnectPtr connection, const char *path, char **ret_xml,
		       struct error *err)
{
	char *xml = virDomainSaveImageGetXMLDesc(connection, path, 0);

	if (!xml)
		return libvirt_error(err, EX_DATAERR, "cannot read the saved memory");
	*ret_xml = xml;
	return 0;
}

int domain_restore_paused(virConnectPtr connection, const char *path, const char *xml,
			  struct error *err)
{
	if (virDomainRestoreFlags(connection, path, xml, VIR_DOMAIN_SAVE_PAUSED) < 0)
		return libvirt_error(err, EX_SOFTWARE, "cannot restore the saved memory");
	return 0;
}

static bool is_gone(void *data)
{
	struct watch *watch = data;

	return watch->device_removed || watch->stopped;
}

static bool is_missing(void)
{
	virErrorPtr error = virGetLastError();

	return error && error->code == VIR_ERR_DEVICE_MISSING;
}

bool domain_has_share(virDomainPtr handle, size_t index)
{
	_cleanup_free_ char *xml = virDomainGetXMLDesc(handle, 0);
	char tag[SHARE_TAG_MAX];
	_cleanup_free_ char *target = NULL;

	share_tag(index, tag);
	target = text_format("<target dir='%s'/>", tag);
	return xml && strstr(xml, target);
}

int domain_detach_share(struct watch *watch, const char *name, size_t index, unsigned int seconds,
			struct error *err)
{
	_cleanup_free_ char *xml = devices_share(name, index);

	if (!domain_has_share(watch->domain, index))
		return 0;
	if (ask_answers(watch->domain, ASK_SECONDS, err) < 0)
		return -1;
	watch->device_removed = false;
	if (virDomainDetachDeviceFlags(watch->domain, xml, VIR_DOMAIN_AFFECT_LIVE) < 0) {
		if (is_missing())
			return 0;
		return libvirt_error(err, EX_SOFTWARE, "cannot take a share out of the guest");
	}
	if (!domain_has_share(watch->domain, index))
		return 0;
	return wait_until(watch->connection, is_gone, watch, seconds, err);
}

int domain_attach_share(virDomainPtr handle, const char *name, size_t index, struct error *err)
{
	_cleanup_free_ char *xml = devices_share(name, index);

	if (domain_has_share(handle, index))
		return 0;
	if (ask_answers(handle, ASK_SECONDS, err) < 0)
		return -1;
	if (virDomainAttachDeviceFlags(handle, xml, VIR_DOMAIN_AFFECT_LIVE) < 0)
		return libvirt_error(err, EX_SOFTWARE, "cannot put a share back into the guest");
	return 0;
}
