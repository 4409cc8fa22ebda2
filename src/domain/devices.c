/*
 * What a guest can touch of the host: virtio devices, and the fewest of them, for each emulated
 * device is code of QEMU that a hostile guest talks to. The hook lets exactly these start (see
 * hook/whitelist.h), so a device added here has to be added there.
 */
#include "domain/devices.h"

#include "base/text.h"
#include "domain/xml.h"
#include "seed/seed.h"

/* Requests that a guest may have under way on one share. */
#define SHARE_QUEUE "1024"

/* <backingStore> with a file, left open. */
static void open_backing(xmlTextWriterPtr writer, const char *file, const char *format)
{
	xml_open(writer, "backingStore", "type", "file");
	xml_empty(writer, "format", "type", format);
	xml_open(writer, "source", "file", file);
	xml_open(writer, "seclabel", "model", "dac");
	xml_attribute(writer, "relabel", "no");
	xml_end(writer);
	xml_end(writer);
}

/*
 * The base is shared by all sandboxes of its box or layer and belongs to root, and so do frozen
 * disks, which forks share. Without the seclabel libvirt would give them to QEMU's user, and a
 * guest that broke into its QEMU could change them for all others.
 */
void devices_write_source(xmlTextWriterPtr writer, const struct disk_source *source)
{
	size_t depth = 1;

	xml_empty(writer, "source", "file", source->disk);
	for (const char *const *layer = source->layers; layer && *layer; layer++, depth++)
		open_backing(writer, *layer, "qcow2");
	open_backing(writer, source->base, source->base_format);
	if (source->below) {
		open_backing(writer, source->below, source->below_format);
		depth++;
	}
	xml_empty(writer, "backingStore", NULL, NULL);
	while (depth--)
		xml_end(writer);
}

static void write_target(xmlTextWriterPtr writer, const char *device)
{
	xml_open(writer, "target", "dev", device);
	xml_attribute(writer, "bus", "virtio");
	xml_end(writer);
}

/* The guest is stopped, not damaged, when the host's disk is full. */
static void write_disk(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	xml_open(writer, "disk", "type", "file");
	xml_attribute(writer, "device", "disk");
	xml_open(writer, "driver", "name", "qemu");
	xml_attribute(writer, "type", "qcow2");
	xml_attribute(writer, "cache", "writeback");
	xml_attribute(writer, "error_policy", "stop");
	xml_attribute(writer, "io", "threads");
	xml_attribute(writer, "discard", "unmap");
	xml_end(writer);
	devices_write_source(writer, &(const struct disk_source){
					     .disk = spec->disk,
					     .layers = spec->layers,
					     .base = spec->base,
					     .base_format = spec->base_format,
					     .below = spec->below,
					     .below_format = spec->below_format,
				     });
	write_target(writer, DOMAIN_DISK_TARGET);
	xml_end(writer);
}

static void write_seed(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	xml_open(writer, "disk", "type", "file");
	xml_attribute(writer, "device", "disk");
	xml_open(writer, "driver", "name", "qemu");
	xml_attribute(writer, "type", "raw");
	xml_end(writer);
	xml_empty(writer, "source", "file", spec->seed);
	write_target(writer, DOMAIN_SEED_TARGET);
	xml_empty(writer, "readonly", NULL, NULL);
	xml_end(writer);
}

/*
 * The tap is the hook's: it lies in the sandbox's namespace before QEMU runs. QEMU handles the
 * frames itself: vhost would let the guest talk to the host's kernel.
 */
static void write_interface(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	char tap[LINK_NAME_MAX];
	char mac[MAC_TEXT_MAX];

	tap_name(spec->metadata->uuid, tap);
	xml_open(writer, "interface", "type", "ethernet");
	xml_empty(writer, "mac", "address", mac_format(&spec->metadata->wire.guest_mac, mac));
	xml_open(writer, "target", "dev", tap);
	xml_attribute(writer, "managed", "no");
	xml_end(writer);
	xml_empty(writer, "model", "type", "virtio");
	xml_empty(writer, "driver", "name", "qemu");
	xml_empty(writer, "rom", "enabled", "no");
	xml_end(writer);
}

/*
 * What virtiofsd serves is a mount that the hook makes (share/), root-only: a read-only share is
 * one whose mount is read-only, since libvirt 9.0 knows no other. No extended attributes: among
 * them are file capabilities. How much the guest may cache is virtiofsd's `auto`: pages while a
 * file is open, names and attributes for a second (docs/shares.md).
 */
static void write_share(xmlTextWriterPtr writer, const char *name, size_t index)
{
	_cleanup_free_ char *source = share_source(name, index);
	char tag[SHARE_TAG_MAX];

	share_tag(index, tag);
	xml_open(writer, "filesystem", "type", "mount");
	xml_attribute(writer, "accessmode", "passthrough");
	xml_open(writer, "driver", "type", "virtiofs");
	xml_attribute(writer, "queue", SHARE_QUEUE);
	xml_end(writer);
	xml_open(writer, "binary", "path", SHARE_VIRTIOFSD);
	xml_attribute(writer, "xattr", "off");
	xml_end(writer);
	xml_empty(writer, "source", "dir", source);
	xml_empty(writer, "target", "dir", tag);
	xml_end(writer);
}

char *devices_share(const char *name, size_t index)
{
	xmlBufferPtr buffer;
	xmlTextWriterPtr writer = xml_writer_new(&buffer);

	write_share(writer, name, index);
	return xml_writer_finish(writer, buffer);
}

void devices_write_console(xmlTextWriterPtr writer, const char *log)
{
	xml_open(writer, "serial", "type", "pty");
	if (log) {
		xml_open(writer, "log", "file", log);
		xml_attribute(writer, "append", "off");
		xml_end(writer);
	}
	xml_empty(writer, "target", "port", "0");
	xml_end(writer);
	xml_open(writer, "console", "type", "pty");
	xml_open(writer, "target", "type", "serial");
	xml_attribute(writer, "port", "0");
	xml_end(writer);
	xml_end(writer);
}

static void write_ready_channel(xmlTextWriterPtr writer)
{
	xml_open(writer, "channel", "type", "unix");
	xml_open(writer, "target", "type", "virtio");
	xml_attribute(writer, "name", READY_CHANNEL);
	xml_end(writer);
	xml_end(writer);
}

static void write_rng(xmlTextWriterPtr writer)
{
	xml_open(writer, "rng", "model", "virtio");
	xml_open(writer, "rate", "bytes", "65536");
	xml_attribute(writer, "period", "1000");
	xml_end(writer);
	xml_open(writer, "backend", "model", "random");
	xml_text(writer, "/dev/urandom");
	xml_end(writer);
	xml_end(writer);
}

/* What libvirt would otherwise add by itself. */
void devices_write_absent(xmlTextWriterPtr writer)
{
	xml_open(writer, "controller", "type", "usb");
	xml_attribute(writer, "model", "none");
	xml_end(writer);
	xml_empty(writer, "memballoon", "model", "none");
	xml_start(writer, "video");
	xml_empty(writer, "model", "type", "none");
	xml_end(writer);
	xml_open(writer, "audio", "id", "1");
	xml_attribute(writer, "type", "none");
	xml_end(writer);
}

void devices_write(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	_cleanup_free_ char *log = text_format(DOMAIN_CONSOLE_LOG, spec->metadata->name);

	xml_start(writer, "devices");
	write_disk(writer, spec);
	if (spec->seed)
		write_seed(writer, spec);
	for (size_t i = 0; i < spec->metadata->share_count; i++)
		write_share(writer, spec->metadata->name, i);
	write_interface(writer, spec);
	devices_write_console(writer, log);
	write_ready_channel(writer);
	write_rng(writer);
	devices_write_absent(writer);
	xml_end(writer);
}
