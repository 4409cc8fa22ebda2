/*
 * libvirt's external snapshots as they are usable since long: made without metadata of libvirt's,
 * which it cannot revert to before 9.9, over a volume that the storage API has made, so that its
 * owner and rights are the ones of all our volumes.
 * https://libvirt.org/formatsnapshot.html
 */
#include "domain/pivot.h"

#include <libvirt/virterror.h>

#include "base/text.h"
#include "domain/ask.h"
#include "domain/domain_xml.h"
#include "domain/libvirt.h"
#include "domain/xml.h"

static char *pivot_xml(const char *path, const char *memory)
{
	xmlBufferPtr buffer;
	xmlTextWriterPtr writer = xml_writer_new(&buffer);

	xml_start(writer, "domainsnapshot");
	if (memory) {
		xml_open(writer, "memory", "snapshot", "external");
		xml_attribute(writer, "file", memory);
		xml_end(writer);
	}
	xml_start(writer, "disks");
	xml_open(writer, "disk", "name", DOMAIN_DISK_TARGET);
	xml_attribute(writer, "snapshot", "external");
	xml_attribute(writer, "type", "file");
	xml_empty(writer, "driver", "type", "qcow2");
	xml_empty(writer, "source", "file", path);
	xml_end(writer);
	xml_end(writer);
	xml_end(writer);
	return xml_writer_finish(writer, buffer);
}

int domain_pivot(virDomainPtr handle, const char *path, const char *memory, struct error *err)
{
	_cleanup_free_ char *xml = pivot_xml(path, memory);
	unsigned int flags = VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA |
			     VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT |
			     VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC;
	virDomainSnapshotPtr snapshot;

	if (ask_answers(handle, ASK_SECONDS, err) < 0)
		return -1;
	snapshot = virDomainSnapshotCreateXML(
		handle, xml, memory ? flags : flags | VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY);
	if (!snapshot)
		return libvirt_error(err, EX_SOFTWARE,
				     memory ? "cannot save the guest's memory"
					    : "cannot freeze the disk");
	virDomainSnapshotFree(snapshot);
	return 0;
}

struct pull {
	virDomainPtr handle;
	bool ended;
	int status; /* virConnectDomainEventBlockJobStatus */
};

static void on_job(virConnectPtr connection, virDomainPtr domain, const char *disk, int type,
		   int status, void *data)
{
	struct pull *pull = data;

	(void)connection;
	(void)domain;
	(void)disk;
	if (type != VIR_DOMAIN_BLOCK_JOB_TYPE_PULL)
		return;
	pull->ended = true;
	pull->status = status;
}

static bool has_ended(void *data)
{
	return ((struct pull *)data)->ended;
}

static int run_pull(struct pull *pull, const char *base, unsigned int seconds, struct error *err)
{
	if (ask_answers(pull->handle, ASK_SECONDS, err) < 0)
		return -1;
	if (virDomainBlockRebase(pull->handle, DOMAIN_DISK_TARGET, base, 0, 0) < 0)
		return libvirt_error(err, EX_SOFTWARE, "cannot join the disk's layers");
	if (wait_until(virDomainGetConnect(pull->handle), has_ended, pull, seconds, err) < 0)
		return -1;
	if (pull->status == VIR_DOMAIN_BLOCK_JOB_COMPLETED)
		return 0;
	return error_set(err, EX_IOERR, "the disk's layers were not joined");
}

int domain_pull(virDomainPtr handle, const char *base, unsigned int seconds, struct error *err)
{
	struct pull pull = {.handle = handle};
	virConnectPtr connection = virDomainGetConnect(handle);
	int callback = virConnectDomainEventRegisterAny(
		connection, handle, VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2,
		VIR_DOMAIN_EVENT_CALLBACK(on_job), &pull, NULL);
	int result;

	if (callback < 0)
		return libvirt_error(err, EX_SOFTWARE, "cannot watch the domain");
	result = run_pull(&pull, base, seconds, err);
	virConnectDomainEventDeregisterAny(connection, callback);
	return result;
}
