/*
 * The domain's text exists apart from everything that acts on it, so that what a guest is given can
 * be read, compared with a golden file and argued about.
 *
 * What XML cannot carry is refused before anything is written. The devices are in devices.c.
 */
#include "domain/domain_xml.h"

#include "base/text.h"
#include "domain/devices.h"
#include "domain/xml.h"

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

const char *domain_accel_name(enum domain_accel accel)
{
	return accel == DOMAIN_KVM ? "kvm" : "tcg";
}

uint64_t domain_memory_limit(const struct domain_spec *spec)
{
	uint64_t limit = spec->memory + OVERHEAD;

	return spec->accel == DOMAIN_TCG ? limit + TCG_CACHE_MIB * MIB : limit;
}

static void write_memory(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	xml_start(writer, "memory");
	xml_attribute(writer, "unit", "KiB");
	xml_attribute(writer, "dumpCore",
		      "off"); /* a crash of QEMU must not write guest memory out */
	xml_text_number(writer, spec->memory / 1024);
	xml_end(writer);

	/*
	 * No <memtune>: for a hard limit in the definition libvirt also lets QEMU lock that much
	 * memory, which no guest of ours needs. domain_limit_memory() sets it before the guest
	 * runs.
	 *
	 * Pages merged with another guest's tell it what they hold by the time a write takes. */
	xml_start(writer, "memoryBacking");
	xml_empty(writer, "nosharepages", NULL, NULL);
	if (spec->metadata->share_count) { /* virtiofsd reads and writes what the guest offers */
		xml_empty(writer, "source", "type", "memfd");
		xml_empty(writer, "access", "mode", "shared");
	}
	xml_end(writer);

	xml_number(writer, "vcpu", NULL, spec->cpus);
	xml_start(writer, "cputune");
	xml_element(writer, "shares", CPU_SHARES);
	xml_end(writer);
}

static void write_type(xmlTextWriterPtr writer)
{
	xml_start(writer, "type");
	xml_attribute(writer, "arch", "x86_64");
	xml_attribute(writer, "machine", "q35");
	xml_text(writer, "hvm");
	xml_end(writer);
}

static void write_os(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	xml_start(writer, "os");
	if (!spec->kernel && spec->uefi)
		xml_attribute(writer, "firmware", "efi");
	write_type(writer);
	if (spec->kernel) {
		xml_element(writer, "kernel", spec->kernel);
		if (spec->initrd)
			xml_element(writer, "initrd", spec->initrd);
		if (spec->cmdline)
			xml_element(writer, "cmdline", spec->cmdline);
	} else {
		xml_empty(writer, "boot", "dev", "hd");
	}
	xml_end(writer);
}

static void write_features(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	xml_start(writer, "features");
	xml_empty(writer, "acpi", NULL, NULL);
	xml_empty(writer, "apic", NULL, NULL);
	xml_empty(writer, "pae", NULL, NULL);
	if (spec->accel == DOMAIN_TCG) {
		xml_start(writer, "tcg");
		xml_number(writer, "tb-cache", "MiB", TCG_CACHE_MIB);
		xml_end(writer);
	}
	xml_end(writer);
}

static void disable_feature(xmlTextWriterPtr writer, const char *name)
{
	xml_open(writer, "feature", "policy", "disable");
	xml_attribute(writer, "name", name);
	xml_end(writer);
}

/*
 * Virtualisation inside the guest is code of the host's kernel that only a guest that needs it
 * sees. Under TCG it is QEMU's own and stays: with `svm=off` QEMU 7.2 emulates a processor on which
 * static programs of the guest crash.
 */
static void write_cpu(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	bool is_kvm = spec->accel == DOMAIN_KVM;

	xml_open(writer, "cpu", "mode", is_kvm ? "host-passthrough" : "maximum");
	if (is_kvm && !spec->nested) {
		disable_feature(writer, "vmx");
		disable_feature(writer, "svm");
	}
	xml_end(writer);
}

static void write_clock(xmlTextWriterPtr writer)
{
	xml_open(writer, "clock", "offset", "utc");
	xml_open(writer, "timer", "name", "hpet");
	xml_attribute(writer, "present", "no");
	xml_end(writer);
	xml_end(writer);
	xml_element(writer, "on_poweroff", "destroy");
	xml_element(writer, "on_reboot", "restart");
	xml_element(writer, "on_crash", "destroy");
	xml_start(writer, "pm");
	xml_empty(writer, "suspend-to-mem", "enabled", "no");
	xml_empty(writer, "suspend-to-disk", "enabled", "no");
	xml_end(writer);
}

static void write_domain(xmlTextWriterPtr writer, const struct domain_spec *spec)
{
	_cleanup_free_ char *name = text_format(SANDBOX_PREFIX "%s", spec->metadata->name);

	xml_open(writer, "domain", "type", spec->accel == DOMAIN_KVM ? "kvm" : "qemu");
	xml_element(writer, "name", name);
	xml_element(writer, "uuid", spec->metadata->uuid);
	/* libvirt makes up a new value whenever the guest goes on from saved memory, upon which its
	 * kernel reseeds its random generator */
	xml_empty(writer, "genid", NULL, NULL);
	xml_start(writer, "metadata");
	metadata_write(spec->metadata, writer);
	if (spec->snapshots)
		snapshots_write(spec->snapshots, writer);
	xml_end(writer);
	write_memory(writer, spec);
	write_os(writer, spec);
	write_features(writer, spec);
	write_cpu(writer, spec);
	write_clock(writer);
	devices_write(writer, spec);
	xml_end(writer);
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
		{"box's image", spec->below},
		{"box's image's format", spec->below_format},
		{"seed", spec->seed},
	};

	if (metadata_validate(spec->metadata, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (xml_check_text(texts[i].what, texts[i].text, err) < 0)
			return -1;
	return 0;
}

int domain_xml(const struct domain_spec *spec, char **ret_text, struct error *err)
{
	xmlTextWriterPtr writer;
	xmlBufferPtr buffer;

	if (check_spec(spec, err) < 0)
		return -1;
	writer = xml_writer_new(&buffer);
	write_domain(writer, spec);
	*ret_text = xml_writer_finish(writer, buffer);
	return 0;
}

static void write_probe(xmlTextWriterPtr writer, const char *name, const char *kernel)
{
	xml_open(writer, "domain", "type", "kvm");
	xml_element(writer, "name", name);
	xml_number(writer, "memory", "MiB", 128);
	xml_number(writer, "vcpu", NULL, 1);
	xml_start(writer, "os");
	write_type(writer);
	if (kernel) {
		xml_element(writer, "kernel", kernel);
		xml_element(writer, "cmdline", "console=ttyS0 earlyprintk=serial panic=-1");
	} else {
		xml_empty(writer, "boot", "dev", "hd");
		xml_empty(writer, "bios", "useserial", "yes");
	}
	xml_end(writer);
	xml_start(writer, "features");
	xml_empty(writer, "acpi", NULL, NULL);
	xml_empty(writer, "apic", NULL, NULL);
	xml_end(writer);
	xml_empty(writer, "cpu", "mode", "host-passthrough");
	xml_element(writer, "on_poweroff", "destroy");
	xml_element(writer, "on_reboot", "destroy");
	xml_element(writer, "on_crash", "destroy");
	xml_start(writer, "devices");
	devices_write_console(writer, NULL);
	devices_write_absent(writer);
	xml_end(writer);
	xml_end(writer);
}

int domain_probe_xml(const char *name, const char *kernel, char **ret_text, struct error *err)
{
	xmlTextWriterPtr writer;
	xmlBufferPtr buffer;

	if (xml_check_text("name", name, err) < 0 || xml_check_text("kernel", kernel, err) < 0)
		return -1;
	writer = xml_writer_new(&buffer);
	write_probe(writer, name, kernel);
	*ret_text = xml_writer_finish(writer, buffer);
	return 0;
}
