/*
 * The one table of what may stand in a sandbox's domain XML, and the checks of its values.
 *
 * What a newer libvirt adds by itself is refused until somebody has looked at it and added a row.
 */
#include "hook/whitelist_entries.h"

#include <assert.h>

#include "base/text.h"
#include "hook/disks.h"

#define POOL "/var/lib/libvirt/images/migrant/"

static bool any(const char *value, const struct metadata *metadata)
{
	(void)value;
	(void)metadata;
	return true;
}

static bool is_domain_type(const char *value, const struct metadata *metadata)
{
	(void)metadata;
	return text_equal(value, "kvm") || text_equal(value, "qemu");
}

static bool is_domain_name(const char *value, const struct metadata *metadata)
{
	return text_starts(value, SANDBOX_PREFIX) &&
	       text_equal(value + strlen(SANDBOX_PREFIX), metadata->name);
}

static bool is_domain_uuid(const char *value, const struct metadata *metadata)
{
	return text_equal(value, metadata->uuid);
}

static bool is_machine(const char *value, const struct metadata *metadata)
{
	(void)metadata;
	return text_equal(value, "q35") || text_starts(value, "pc-q35-");
}

/* True when @value is a plain file name below directory @directory: no '/', no "..". */
static bool is_file_in(const char *value, const char *directory, const char **ret_name)
{
	size_t length = strlen(directory);

	if (strncmp(value, directory, length) != 0)
		return false;
	*ret_name = value + length;
	return **ret_name && **ret_name != '.' && !strchr(*ret_name, '/');
}

static bool is_in_pool(const char *value, const char *prefix)
{
	const char *name;

	return is_file_in(value, POOL, &name) && text_starts(name, prefix);
}

static bool is_kernel(const char *value, const struct metadata *metadata)
{
	(void)metadata;
	return is_in_pool(value, "kernel-");
}

static bool is_initrd(const char *value, const struct metadata *metadata)
{
	(void)metadata;
	return is_in_pool(value, "initrd-");
}

/* A box's image, a layer over it, or the frozen disk of a sandbox: its own, or its origin's. */
static bool is_base(const char *value, const struct metadata *metadata)
{
	const char *name;

	(void)metadata;
	return is_in_pool(value, "base-") || disk_is_layer(value) ||
	       (is_file_in(value, POOL, &name) && disk_name_parse(name, NULL, NULL));
}

static bool is_disk(const char *value, const struct metadata *metadata)
{
	_cleanup_free_ char *seed = text_format(POOL "seed-%s.iso", metadata->uuid);
	const char *name;

	return text_equal(value, seed) ||
	       (is_file_in(value, POOL, &name) && disk_name_parse(name, metadata->uuid, NULL));
}

static bool is_firmware(const char *value, const struct metadata *metadata)
{
	static const char *const directories[] = {"/usr/share/OVMF/", "/usr/share/qemu/",
						  "/usr/share/edk2/", "/usr/share/edk2-ovmf/",
						  "/usr/share/ovmf/"};

	(void)metadata;
	if (strstr(value, "/.."))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		if (text_starts(value, directories[i]))
			return true;
	return false;
}

static bool is_nvram(const char *value, const struct metadata *metadata)
{
	_cleanup_free_ char *prefix = text_format(SANDBOX_PREFIX "%s_VARS", metadata->name);
	const char *name;

	return is_file_in(value, "/var/lib/libvirt/qemu/nvram/", &name) &&
	       text_starts(name, prefix);
}

static bool is_emulator(const char *value, const struct metadata *metadata)
{
	static const char *const paths[] = {"/usr/bin/qemu-system-x86_64", "/usr/libexec/qemu-kvm",
					    "/usr/bin/qemu-kvm", "/usr/bin/kvm"};

	(void)metadata;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (text_equal(value, paths[i]))
			return true;
	return false;
}

static bool is_guest_mac(const char *value, const struct metadata *metadata)
{
	struct mac mac;

	return parse_mac(value, &mac) == 0 &&
	       memcmp(&mac, &metadata->wire.guest_mac, sizeof(mac)) == 0;
}

static bool is_tap(const char *value, const struct metadata *metadata)
{
	char name[LINK_NAME_MAX];

	tap_name(metadata->uuid, name);
	return text_equal(value, name);
}

static bool is_console_log(const char *value, const struct metadata *metadata)
{
	_cleanup_free_ char *path = text_format(
		"/var/log/libvirt/qemu/" SANDBOX_PREFIX "%s-console.log", metadata->name);

	return text_equal(value, path);
}

static bool is_pty(const char *value, const struct metadata *metadata)
{
	const char *name;

	(void)metadata;
	return is_file_in(value, "/dev/pts/", &name);
}

/* libvirt chooses it: below one of its own directories, named like the channel. */
static bool is_channel_path(const char *value, const struct metadata *metadata)
{
	(void)metadata;
	return (text_starts(value, "/var/lib/libvirt/qemu/channel/") ||
		text_starts(value, "/run/libvirt/qemu/channel/")) &&
	       !strstr(value, "/..") && text_ends(value, "/org.migrant.ready");
}

/* Memory that another process maps: virtiofsd, and only where there is one. */
static bool is_memory_source(const char *value, const struct metadata *metadata)
{
	return metadata->share_count && text_equal(value, "memfd");
}

static bool is_memory_access(const char *value, const struct metadata *metadata)
{
	return metadata->share_count && text_equal(value, "shared");
}

/* Whose tag goes with which, whitelist.c compares. */
static bool is_share_source(const char *value, const struct metadata *metadata)
{
	for (size_t i = 0; i < metadata->share_count; i++) {
		_cleanup_free_ char *source = share_source(metadata->name, i);

		if (text_equal(value, source))
			return true;
	}
	return false;
}

static bool is_share_tag(const char *value, const struct metadata *metadata)
{
	for (size_t i = 0; i < metadata->share_count; i++)
		if (text_equal(value, metadata->shares[i].tag))
			return true;
	return false;
}

static bool is_label_type(const char *value, const struct metadata *metadata)
{
	(void)metadata;
	return text_equal(value, "dynamic");
}

static bool is_label_model(const char *value, const struct metadata *metadata)
{
	(void)metadata;
	return text_equal(value, "dac") || text_equal(value, "apparmor") ||
	       text_equal(value, "selinux");
}

static bool is_controller(const char *value, const struct metadata *metadata)
{
	(void)metadata;
	return text_equal(value, "pci") || text_equal(value, "virtio-serial") ||
	       text_equal(value, "sata") || text_equal(value, "usb");
}

/* USB controllers bring a bus that guests could talk to: only "none" of them. PCI: bridges. */
static bool is_controller_model(const char *value, const struct metadata *metadata)
{
	(void)metadata;
	return text_equal(value, "none") || text_equal(value, "pcie-root") ||
	       text_equal(value, "pcie-root-port") || text_equal(value, "pcie-to-pci-bridge");
}

static bool is_input(const char *value, const struct metadata *metadata)
{
	(void)metadata;
	return text_equal(value, "mouse") || text_equal(value, "keyboard");
}

/* A guest crashes as often as it likes: what would dump its memory fills the host's disk. */
static bool is_crash_action(const char *value, const struct metadata *metadata)
{
	(void)metadata;
	return !text_starts(value, "coredump");
}

static bool is_watchdog_action(const char *value, const struct metadata *metadata)
{
	(void)metadata;
	return !text_equal(value, "dump");
}

/* Values that must be exactly this, where no function is needed. */
#define EXACTLY(path, text)         \
	{                           \
		path, NULL, text, 0 \
	}
#define CHECKED(path, check)         \
	{                            \
		path, check, NULL, 0 \
	}
#define FREE(path)                 \
	{                          \
		path, any, NULL, 0 \
	}
/* An element: how often it may stand in the whole domain. */
#define ELEMENT(path, count)           \
	{                              \
		path, any, NULL, count \
	}
/* An element with everything below it: settings that name nothing of the host. */
#define HARMLESS(path)                   \
	{                                \
		path "/**", any, NULL, 0 \
	}

/*
 * Paths below <domain>: elements by name, attributes behind '@', text behind '='. Elements that are
 * only a container need no row of their own for text.
 */
const struct whitelist_entry whitelist_entries[] = {
	CHECKED("@type", is_domain_type),
	FREE("@id"),
	ELEMENT("name", 1),
	CHECKED("name=", is_domain_name),
	ELEMENT("uuid", 1),
	CHECKED("uuid=", is_domain_uuid),
	HARMLESS("title"),
	HARMLESS("description"),
	HARMLESS("memory"),
	HARMLESS("currentMemory"),
	ELEMENT("memoryBacking", 1),
	ELEMENT("memoryBacking/nosharepages", 1),
	ELEMENT("memoryBacking/source", 1),
	CHECKED("memoryBacking/source@type", is_memory_source),
	ELEMENT("memoryBacking/access", 1),
	CHECKED("memoryBacking/access@mode", is_memory_access),
	HARMLESS("memtune"),
	HARMLESS("vcpu"),
	HARMLESS("cputune"),
	HARMLESS("resource"),
	ELEMENT("genid", 1),
	FREE("genid="),
	ELEMENT("os", 1),
	EXACTLY("os@firmware", "efi"),
	ELEMENT("os/type", 1),
	FREE("os/type@arch"),
	CHECKED("os/type@machine", is_machine),
	EXACTLY("os/type=", "hvm"),
	HARMLESS("os/firmware"),
	ELEMENT("os/kernel", 1),
	CHECKED("os/kernel=", is_kernel),
	ELEMENT("os/initrd", 1),
	CHECKED("os/initrd=", is_initrd),
	ELEMENT("os/cmdline", 1),
	FREE("os/cmdline="),
	ELEMENT("os/loader", 1),
	FREE("os/loader@readonly"),
	FREE("os/loader@secure"),
	FREE("os/loader@type"),
	FREE("os/loader@format"),
	FREE("os/loader@stateless"),
	CHECKED("os/loader=", is_firmware),
	ELEMENT("os/nvram", 1),
	CHECKED("os/nvram@template", is_firmware),
	FREE("os/nvram@templateFormat"),
	FREE("os/nvram@format"),
	CHECKED("os/nvram=", is_nvram),
	HARMLESS("os/boot"),
	HARMLESS("features"),
	HARMLESS("cpu"),
	HARMLESS("clock"),
	HARMLESS("on_poweroff"),
	HARMLESS("on_reboot"),
	ELEMENT("on_crash", 1),
	CHECKED("on_crash=", is_crash_action),
	HARMLESS("pm"),
	ELEMENT("seclabel", 0),
	CHECKED("seclabel@type", is_label_type),
	CHECKED("seclabel@model", is_label_model),
	EXACTLY("seclabel@relabel", "yes"),
	HARMLESS("seclabel/label"),
	HARMLESS("seclabel/imagelabel"),
	ELEMENT("devices", 1),
	ELEMENT("devices/emulator", 1),
	CHECKED("devices/emulator=", is_emulator),

	ELEMENT("devices/disk", 2),
	EXACTLY("devices/disk@type", "file"),
	EXACTLY("devices/disk@device", "disk"),
	HARMLESS("devices/disk/driver"),
	ELEMENT("devices/disk/source", 2),
	CHECKED("devices/disk/source@file", is_disk),
	FREE("devices/disk/source@index"),
	/* Those below it stand for the same path, see whitelist.c; the last one is empty. */
	ELEMENT("devices/disk/backingStore", DISK_LAYERS_MAX + 3),
	EXACTLY("devices/disk/backingStore@type", "file"),
	FREE("devices/disk/backingStore@index"),
	HARMLESS("devices/disk/backingStore/format"),
	ELEMENT("devices/disk/backingStore/source", DISK_LAYERS_MAX + 1),
	CHECKED("devices/disk/backingStore/source@file", is_base),
	FREE("devices/disk/backingStore/source@index"),
	ELEMENT("devices/disk/backingStore/source/seclabel", 0),
	CHECKED("devices/disk/backingStore/source/seclabel@model", is_label_model),
	EXACTLY("devices/disk/backingStore/source/seclabel@relabel", "no"),
	ELEMENT("devices/disk/target", 2),
	FREE("devices/disk/target@dev"),
	EXACTLY("devices/disk/target@bus", "virtio"),
	HARMLESS("devices/disk/readonly"),
	HARMLESS("devices/disk/boot"),
	HARMLESS("devices/disk/serial"),
	HARMLESS("devices/disk/alias"),
	HARMLESS("devices/disk/address"),

	ELEMENT("devices/controller", 64),
	CHECKED("devices/controller@type", is_controller),
	FREE("devices/controller@index"),
	CHECKED("devices/controller@model", is_controller_model),
	FREE("devices/controller@ports"),
	HARMLESS("devices/controller/model"),
	HARMLESS("devices/controller/target"),
	HARMLESS("devices/controller/alias"),
	HARMLESS("devices/controller/address"),

	ELEMENT("devices/interface", 1),
	EXACTLY("devices/interface@type", "ethernet"),
	ELEMENT("devices/interface/mac", 1),
	CHECKED("devices/interface/mac@address", is_guest_mac),
	ELEMENT("devices/interface/target", 1),
	CHECKED("devices/interface/target@dev", is_tap),
	EXACTLY("devices/interface/target@managed", "no"),
	ELEMENT("devices/interface/model", 1),
	EXACTLY("devices/interface/model@type", "virtio"),
	ELEMENT("devices/interface/driver", 1),
	EXACTLY("devices/interface/driver@name", "qemu"),
	ELEMENT("devices/interface/rom", 1),
	EXACTLY("devices/interface/rom@enabled", "no"),
	HARMLESS("devices/interface/alias"),
	HARMLESS("devices/interface/address"),

	ELEMENT("devices/serial", 1),
	EXACTLY("devices/serial@type", "pty"),
	ELEMENT("devices/serial/log", 1),
	CHECKED("devices/serial/log@file", is_console_log),
	FREE("devices/serial/log@append"),
	ELEMENT("devices/serial/source", 1),
	CHECKED("devices/serial/source@path", is_pty),
	HARMLESS("devices/serial/target"),
	HARMLESS("devices/serial/alias"),
	ELEMENT("devices/console", 1),
	EXACTLY("devices/console@type", "pty"),
	CHECKED("devices/console@tty", is_pty),
	ELEMENT("devices/console/log", 1),
	CHECKED("devices/console/log@file", is_console_log),
	FREE("devices/console/log@append"),
	ELEMENT("devices/console/source", 1),
	CHECKED("devices/console/source@path", is_pty),
	HARMLESS("devices/console/target"),
	HARMLESS("devices/console/alias"),

	ELEMENT("devices/channel", 1),
	EXACTLY("devices/channel@type", "unix"),
	ELEMENT("devices/channel/source", 1),
	EXACTLY("devices/channel/source@mode", "bind"),
	CHECKED("devices/channel/source@path", is_channel_path),
	ELEMENT("devices/channel/target", 1),
	EXACTLY("devices/channel/target@type", "virtio"),
	EXACTLY("devices/channel/target@name", "org.migrant.ready"),
	FREE("devices/channel/target@state"),
	HARMLESS("devices/channel/alias"),
	HARMLESS("devices/channel/address"),

	ELEMENT("devices/filesystem", SHARE_MAX),
	EXACTLY("devices/filesystem@type", "mount"),
	EXACTLY("devices/filesystem@accessmode", "passthrough"),
	ELEMENT("devices/filesystem/driver", 0),
	EXACTLY("devices/filesystem/driver@type", "virtiofs"),
	FREE("devices/filesystem/driver@queue"),
	ELEMENT("devices/filesystem/binary", 0),
	EXACTLY("devices/filesystem/binary@path", SHARE_VIRTIOFSD),
	EXACTLY("devices/filesystem/binary@xattr", "off"),
	ELEMENT("devices/filesystem/binary/cache", 0),
	FREE("devices/filesystem/binary/cache@mode"),
	ELEMENT("devices/filesystem/binary/sandbox", 0),
	EXACTLY("devices/filesystem/binary/sandbox@mode", "namespace"),
	ELEMENT("devices/filesystem/binary/thread_pool", 0),
	FREE("devices/filesystem/binary/thread_pool@size"),
	ELEMENT("devices/filesystem/source", 0),
	CHECKED("devices/filesystem/source@dir", is_share_source),
	ELEMENT("devices/filesystem/target", 0),
	CHECKED("devices/filesystem/target@dir", is_share_tag),
	HARMLESS("devices/filesystem/alias"),
	HARMLESS("devices/filesystem/address"),

	ELEMENT("devices/input", 2),
	CHECKED("devices/input@type", is_input),
	EXACTLY("devices/input@bus", "ps2"),
	HARMLESS("devices/input/alias"),

	ELEMENT("devices/rng", 1),
	EXACTLY("devices/rng@model", "virtio"),
	HARMLESS("devices/rng/rate"),
	ELEMENT("devices/rng/backend", 1),
	EXACTLY("devices/rng/backend@model", "random"),
	EXACTLY("devices/rng/backend=", "/dev/urandom"),
	HARMLESS("devices/rng/alias"),
	HARMLESS("devices/rng/address"),

	ELEMENT("devices/audio", 1),
	FREE("devices/audio@id"),
	EXACTLY("devices/audio@type", "none"),
	ELEMENT("devices/video", 1),
	ELEMENT("devices/video/model", 1),
	EXACTLY("devices/video/model@type", "none"),
	HARMLESS("devices/video/alias"),
	ELEMENT("devices/memballoon", 1),
	EXACTLY("devices/memballoon@model", "none"),
	ELEMENT("devices/watchdog", 1),
	FREE("devices/watchdog@model"),
	CHECKED("devices/watchdog@action", is_watchdog_action),
	HARMLESS("devices/watchdog/alias"),
	HARMLESS("devices/watchdog/address"),
	HARMLESS("devices/panic"),
};

const size_t whitelist_entry_count = ARRAY_SIZE(whitelist_entries);

static_assert(ARRAY_SIZE(whitelist_entries) <= WHITELIST_MAX, "raise WHITELIST_MAX");

bool whitelist_is_pool_file(const char *path, const char *prefix)
{
	return is_in_pool(path, prefix);
}
