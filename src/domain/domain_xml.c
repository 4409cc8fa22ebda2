/*
 * The domain's text exists apart from everything that acts on it, so that what a guest is given can
 * be read, compared with a golden file and argued about.
 *
 * A guest gets virtio devices and the fewest of them: each emulated device is code of QEMU that a
 * hostile guest talks to. All text goes through libxml2's escaping calls; what XML cannot carry is
 * refused first. The hook lets exactly these devices start (see hook/), so a device added here has
 * to be added there.
 */
#include "domain/domain_xml.h"

#include <ctype.h>
#include <inttypes.h>

#include "base/text.h"
#include "seed/seed.h"

#define MIB (UINT64_C(1) << 20)

/*
 * What QEMU needs besides the guest's memory, generously: with too little, the kernel kills guests
 * that did nothing wrong. TCG keeps translated code besides.
 */
#define OVERHEAD      (768 * MIB)
#define TCG_CACHE_MIB 512

/*
 * Relative weight under contention. cgroup v1 defaults to 1024, v2 to 100: this is below the host's
 * own processes in both (https://libvirt.org/formatdomain.html#cpu-tuning).
 */
#define CPU_SHARES "50"

/* Requests that a guest may have under way on one share. */
#define SHARE_QUEUE "1024"

#define BX(text) ((const xmlChar *)(text))

const char *domain_accel_name(enum domain_accel accel)
{
	return accel == DOMAIN_KVM ? "kvm" : "tcg";
}

uint64_t domain_memory_limit(const struct domain_spec *spec)
{
	uint64_t limit = spec->memory + OVERHEAD;

	return spec->accel == DOMAIN_TCG ? limit + TCG_CACHE_MIB * MIB : limit;
}

/* libxml2 fails only when memory runs out. */
static void check(int written)
{
	if (written < 0)
		abort();
}

static void start(xmlTextWriterPtr writer, const char *name)
{
	check(xmlTextWriterStartElement(writer, BX(name)));
}

static void end(xmlTextWriterPtr writer)
{
	check(xmlTextWriterEndElement(writer));
}

static void attribute(xmlTextWriterPtr writer, const char *name, const char *value)
{
	check(xmlTextWriterWriteAttribute(writer, BX(name), BX(value)));
}

static void element(xmlTextWriterPtr writer, const char *name, const char *text)
{
	check(xmlTextWriterWriteElement(writer, BX(name), BX(text)));
}

/* <name key="value"/> */
static void empty(xmlTextWriterPtr writer, const char *name, const char *key, const char *value)
{
	start(writer, name);
	if (key)
		attribute(writer, key, value);
	end(writer);
}

/* <name key="value">, left open. */
static void open_with(xmlTextWriterPtr writer, const char *name, const char *key, const char *value)
{
	start(writer, name);
	attribute(writer, key, value);
}

static void number(xmlTextWriterPtr writer, const char *name, const char *unit, uint64_t value)
{
	start(writer, name);
	if (unit)
		attribute(writer, "unit", unit);
	check(xmlTextWriterWriteFormatString(writer, "%" PRIu64, value));
	end(writer);
}

static void write_memory(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	start(writer, "memory");
	attribute(writer, "unit", "KiB");
	attribute(writer, "dumpCore", "off"); /* a crash of QEMU must not write guest memory out */
	check(xmlTextWriterWriteFormatString(writer, "%" PRIu64, spec->memory / 1024));
	end(writer);

	/*
	 * No <memtune>: for a hard limit in the definition libvirt also lets QEMU lock that much
	 * memory, which no guest of ours needs. domain_limit_memory() sets it before the guest
	 * runs.
	 *
	 * Pages merged with another guest's tell it what they hold by the time a write takes. */
	start(writer, "memoryBacking");
	empty(writer, "nosharepages", NULL, NULL);
	if (spec->metadata->share_count) { /* virtiofsd reads and writes what the guest offers */
		empty(writer, "source", "type", "memfd");
		empty(writer, "access", "mode", "shared");
	}
	end(writer);

	number(writer, "vcpu", NULL, spec->cpus);
	start(writer, "cputune");
	element(writer, "shares", CPU_SHARES);
	end(writer);
}

static void write_type(xmlTextWriterPtr writer)
{
	start(writer, "type");
	attribute(writer, "arch", "x86_64");
	attribute(writer, "machine", "q35");
	check(xmlTextWriterWriteString(writer, BX("hvm")));
	end(writer);
}

static void write_os(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	start(writer, "os");
	if (!spec->kernel && spec->uefi)
		attribute(writer, "firmware", "efi");
	write_type(writer);
	if (spec->kernel) {
		element(writer, "kernel", spec->kernel);
		if (spec->initrd)
			element(writer, "initrd", spec->initrd);
		if (spec->cmdline)
			element(writer, "cmdline", spec->cmdline);
	} else {
		empty(writer, "boot", "dev", "hd");
	}
	end(writer);
}

static void write_features(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	start(writer, "features");
	empty(writer, "acpi", NULL, NULL);
	empty(writer, "apic", NULL, NULL);
	empty(writer, "pae", NULL, NULL);
	if (spec->accel == DOMAIN_TCG) {
		start(writer, "tcg");
		number(writer, "tb-cache", "MiB", TCG_CACHE_MIB);
		end(writer);
	}
	end(writer);
}

static void disable_feature(xmlTextWriterPtr writer, const char *name)
{
	open_with(writer, "feature", "policy", "disable");
	attribute(writer, "name", name);
	end(writer);
}

/*
 * Virtualisation inside the guest is code of the host's kernel that only a guest that needs it
 * sees. Under TCG it is QEMU's own and stays: with `svm=off` QEMU 7.2 emulates a processor on which
 * static programs of the guest crash.
 */
static void write_cpu(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	bool is_kvm = spec->accel == DOMAIN_KVM;

	open_with(writer, "cpu", "mode", is_kvm ? "host-passthrough" : "maximum");
	if (is_kvm && !spec->nested) {
		disable_feature(writer, "vmx");
		disable_feature(writer, "svm");
	}
	end(writer);
}

static void write_clock(xmlTextWriterPtr writer)
{
	open_with(writer, "clock", "offset", "utc");
	open_with(writer, "timer", "name", "hpet");
	attribute(writer, "present", "no");
	end(writer);
	end(writer);
	element(writer, "on_poweroff", "destroy");
	element(writer, "on_reboot", "restart");
	element(writer, "on_crash", "destroy");
	start(writer, "pm");
	empty(writer, "suspend-to-mem", "enabled", "no");
	empty(writer, "suspend-to-disk", "enabled", "no");
	end(writer);
}

/*
 * The base is shared by all sandboxes of its box and belongs to root. Without the seclabel libvirt
 * would give it to QEMU's user, and a guest that broke into its QEMU could change it for all
 * others.
 */
static void write_backing(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	open_with(writer, "backingStore", "type", "file");
	empty(writer, "format", "type", spec->base_format);
	open_with(writer, "source", "file", spec->base);
	open_with(writer, "seclabel", "model", "dac");
	attribute(writer, "relabel", "no");
	end(writer);
	end(writer);
	empty(writer, "backingStore", NULL, NULL);
	end(writer);
}

static void write_target(xmlTextWriterPtr writer, const char *device)
{
	open_with(writer, "target", "dev", device);
	attribute(writer, "bus", "virtio");
	end(writer);
}

/* The guest is stopped, not damaged, when the host's disk is full. */
static void write_disk(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	open_with(writer, "disk", "type", "file");
	attribute(writer, "device", "disk");
	open_with(writer, "driver", "name", "qemu");
	attribute(writer, "type", "qcow2");
	attribute(writer, "cache", "writeback");
	attribute(writer, "error_policy", "stop");
	attribute(writer, "io", "threads");
	attribute(writer, "discard", "unmap");
	end(writer);
	empty(writer, "source", "file", spec->disk);
	write_backing(writer, spec);
	write_target(writer, DOMAIN_DISK_TARGET);
	end(writer);
}

static void write_seed(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	open_with(writer, "disk", "type", "file");
	attribute(writer, "device", "disk");
	open_with(writer, "driver", "name", "qemu");
	attribute(writer, "type", "raw");
	end(writer);
	empty(writer, "source", "file", spec->seed);
	write_target(writer, DOMAIN_SEED_TARGET);
	empty(writer, "readonly", NULL, NULL);
	end(writer);
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
	open_with(writer, "interface", "type", "ethernet");
	empty(writer, "mac", "address", mac_format(&spec->metadata->wire.guest_mac, mac));
	open_with(writer, "target", "dev", tap);
	attribute(writer, "managed", "no");
	end(writer);
	empty(writer, "model", "type", "virtio");
	empty(writer, "driver", "name", "qemu");
	empty(writer, "rom", "enabled", "no");
	end(writer);
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
	open_with(writer, "filesystem", "type", "mount");
	attribute(writer, "accessmode", "passthrough");
	open_with(writer, "driver", "type", "virtiofs");
	attribute(writer, "queue", SHARE_QUEUE);
	end(writer);
	open_with(writer, "binary", "path", SHARE_VIRTIOFSD);
	attribute(writer, "xattr", "off");
	end(writer);
	empty(writer, "source", "dir", source);
	empty(writer, "target", "dir", tag);
	end(writer);
}

static void write_console(xmlTextWriterPtr writer, const char *log)
{
	open_with(writer, "serial", "type", "pty");
	if (log) {
		open_with(writer, "log", "file", log);
		attribute(writer, "append", "off");
		end(writer);
	}
	empty(writer, "target", "port", "0");
	end(writer);
	open_with(writer, "console", "type", "pty");
	open_with(writer, "target", "type", "serial");
	attribute(writer, "port", "0");
	end(writer);
	end(writer);
}

static void write_ready_channel(xmlTextWriterPtr writer)
{
	open_with(writer, "channel", "type", "unix");
	open_with(writer, "target", "type", "virtio");
	attribute(writer, "name", READY_CHANNEL);
	end(writer);
	end(writer);
}

static void write_rng(xmlTextWriterPtr writer)
{
	open_with(writer, "rng", "model", "virtio");
	open_with(writer, "rate", "bytes", "65536");
	attribute(writer, "period", "1000");
	end(writer);
	open_with(writer, "backend", "model", "random");
	check(xmlTextWriterWriteString(writer, BX("/dev/urandom")));
	end(writer);
	end(writer);
}

/* What libvirt would otherwise add by itself. */
static void write_absent(xmlTextWriterPtr writer)
{
	open_with(writer, "controller", "type", "usb");
	attribute(writer, "model", "none");
	end(writer);
	empty(writer, "memballoon", "model", "none");
	start(writer, "video");
	empty(writer, "model", "type", "none");
	end(writer);
	open_with(writer, "audio", "id", "1");
	attribute(writer, "type", "none");
	end(writer);
}

static void write_devices(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	_cleanup_free_ char *log = text_format(DOMAIN_CONSOLE_LOG, spec->metadata->name);

	start(writer, "devices");
	write_disk(writer, spec);
	if (spec->seed)
		write_seed(writer, spec);
	for (size_t i = 0; i < spec->metadata->share_count; i++)
		write_share(writer, spec->metadata->name, i);
	write_interface(writer, spec);
	write_console(writer, log);
	write_ready_channel(writer);
	write_rng(writer);
	write_absent(writer);
	end(writer);
}

static void write_domain(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	open_with(writer, "domain", "type", spec->accel == DOMAIN_KVM ? "kvm" : "qemu");
	check(xmlTextWriterWriteFormatElement(writer, BX("name"), SANDBOX_PREFIX "%s",
					      spec->metadata->name));
	element(writer, "uuid", spec->metadata->uuid);
	start(writer, "metadata");
	metadata_write(spec->metadata, writer);
	end(writer);
	write_memory(writer, spec);
	write_os(writer, spec);
	write_features(writer, spec);
	write_cpu(writer, spec);
	write_clock(writer);
	write_devices(writer, spec);
	end(writer);
}

/* XML 1.0 §2.2 has no control characters but tab, line feed and carriage return; none is ours. */
static int check_text(const char *what, const char *text, struct error *err)
{
	if (!text)
		return 0;
	if (!text_is_utf8(text, strlen(text)))
		return error_set(err, EX_DATAERR, "the %s is not UTF-8: '%s'", what, text);
	for (const char *at = text; *at; at++)
		if (iscntrl((unsigned char)*at))
			return error_set(err, EX_DATAERR, "the %s holds a control character: '%s'",
					 what, text);
	return 0;
}

static int check_spec(const struct domain_spec *spec, struct error *err)
{
	const struct {
		const char *what, *text;
	} texts[] = {
		{"kernel", spec->kernel},
		{"initrd", spec->initrd},
		{"kernel's command line", spec->cmdline},
		{"disk", spec->disk},
		{"base image", spec->base},
		{"base image's format", spec->base_format},
		{"seed", spec->seed},
	};

	if (metadata_validate(spec->metadata, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (check_text(texts[i].what, texts[i].text, err) < 0)
			return -1;
	return 0;
}

static xmlTextWriterPtr writer_new(xmlBufferPtr *ret_buffer)
{
	xmlBufferPtr buffer = xmlBufferCreate();
	xmlTextWriterPtr writer = buffer ? xmlNewTextWriterMemory(buffer, 0) : NULL;

	if (!writer)
		abort();
	xmlTextWriterSetIndent(writer, 1);
	xmlTextWriterSetIndentString(writer, BX("  "));
	*ret_buffer = buffer;
	return writer;
}

static char *writer_finish(xmlTextWriterPtr writer, xmlBufferPtr buffer)
{
	char *text;

	check(xmlTextWriterEndDocument(writer));
	xmlFreeTextWriter(writer);
	text = text_format("%s\n", (const char *)xmlBufferContent(buffer));
	xmlBufferFree(buffer);
	return text;
}

int domain_xml(const struct domain_spec *spec, char **ret_text, struct error *err)
{
	xmlTextWriterPtr writer;
	xmlBufferPtr buffer;

	if (check_spec(spec, err) < 0)
		return -1;
	writer = writer_new(&buffer);
	write_domain(writer, spec);
	*ret_text = writer_finish(writer, buffer);
	return 0;
}

static void write_probe(xmlTextWriterPtr writer, const char *name, const char *kernel)
{
	open_with(writer, "domain", "type", "kvm");
	element(writer, "name", name);
	number(writer, "memory", "MiB", 128);
	number(writer, "vcpu", NULL, 1);
	start(writer, "os");
	write_type(writer);
	if (kernel) {
		element(writer, "kernel", kernel);
		element(writer, "cmdline", "console=ttyS0 earlyprintk=serial panic=-1");
	} else {
		empty(writer, "boot", "dev", "hd");
		empty(writer, "bios", "useserial", "yes");
	}
	end(writer);
	start(writer, "features");
	empty(writer, "acpi", NULL, NULL);
	empty(writer, "apic", NULL, NULL);
	end(writer);
	empty(writer, "cpu", "mode", "host-passthrough");
	element(writer, "on_poweroff", "destroy");
	element(writer, "on_reboot", "destroy");
	element(writer, "on_crash", "destroy");
	start(writer, "devices");
	write_console(writer, NULL);
	write_absent(writer);
	end(writer);
	end(writer);
}

int domain_probe_xml(const char *name, const char *kernel, char **ret_text, struct error *err)
{
	xmlTextWriterPtr writer;
	xmlBufferPtr buffer;

	if (check_text("name", name, err) < 0 || check_text("kernel", kernel, err) < 0)
		return -1;
	writer = writer_new(&buffer);
	write_probe(writer, name, kernel);
	*ret_text = writer_finish(writer, buffer);
	return 0;
}
