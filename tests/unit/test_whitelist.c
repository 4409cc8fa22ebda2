/* What a domain may be made of: libvirt's own live XML passes, every change to it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "hook/disks.h"
#include "hook/request.h"

#define UUID "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
#define POOL "/var/lib/libvirt/images/migrant/"
#define INTERFACE_END                                                                             \
	"      <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>\n    " \
	"</interface>\n"

static char *live_domain(void)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	char *text = NULL;

	assert_int_equal(
		file_read(AT_FDCWD, TESTS_DIR "/golden/live-domain.xml", 65536, &text, NULL, &err),
		0);
	return text;
}

/* The live domain with the first @from replaced by @to. */
static char *changed(const char *from, const char *to)
{
	_cleanup_free_ char *text = live_domain();
	_cleanup_strbuf_ struct strbuf result = STRBUF_INIT;
	const char *at = strstr(text, from);

	if (!at)
		fail_msg("not there: %s", from);
	else {
		strbuf_add(&result, text, (size_t)(at - text));
		strbuf_add_text(&result, to);
		strbuf_add_text(&result, at + strlen(from));
	}
	return strbuf_take(&result);
}

static int parse(const char *domain, const char *xml, bool *ret_ours, struct error *err)
{
	_cleanup_request_ struct request request = {0};
	int result = request_parse(domain, xml, strlen(xml), &request, err);

	*ret_ours = request.ours;
	return result;
}

static void live_domain_passes(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = live_domain();
	bool ours = false;

	(void)state;
	if (parse("migrant-claude", text, &ours, &err) < 0)
		fail_msg("%s", err.message);
	assert_true(ours);
}

/* What the program defines is what the hook lets start. */
static void our_own_definitions_pass(void **state)
{
	static const char *const files[] = {"kvm-bios",	  "kvm-booted",	  "kvm-kernel",
					    "kvm-nested", "kvm-uefi",	  "tcg-kernel",
					    "tcg-shares", "tcg-snapshots"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path =
			text_format(TESTS_DIR "/golden/domain/%s.xml", files[i]);
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ char *text = NULL;
		bool ours = false;

		assert_int_equal(file_read(AT_FDCWD, path, 65536, &text, NULL, &err), 0);
		if (parse("migrant-claude", text, &ours, &err) < 0)
			fail_msg("%s: %s", files[i], err.message);
		assert_true(ours);
	}
}

static void harmless_changes_pass(void **state)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{"<vcpu placement='static'>", "<vcpu placement='static' cpuset='0-1'>"},
		{"<on_crash>destroy", "<on_crash>preserve"},
		{"machine='pc-q35-7.2'", "machine='pc-q35-9.1'"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ char *text = changed(cases[i].from, cases[i].to);
		bool ours = false;

		if (parse("migrant-claude", text, &ours, &err) < 0)
			fail_msg("%s: %s", cases[i].to, err.message);
	}
}

/* Below the disk lie frozen disks of sandboxes, in their own format, and not without end. */
static void layers_are_ours(void **state)
{
#define OTHER POOL "disk-11111111-2222-4333-8444-555555555555"
#define EIGHT "01234567"
#define LAYER POOL "layer-" EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT "-"
	static const struct {
		const char *from, *to;
		bool passes;
	} cases[] = {
		{POOL "disk-" UUID "-2.qcow2\">", OTHER ".qcow2\">", true},
		{POOL "disk-" UUID "-2.qcow2\">", OTHER "-7.qcow2\">", true},
		{POOL "disk-" UUID "-2.qcow2\">", OTHER "-7.iso\">", false},
		{POOL "disk-" UUID "-2.qcow2\">", LAYER "0123456789abcdef.qcow2\">", true},
		{POOL "disk-" UUID "-2.qcow2\">", LAYER "0123456789abcdef.raw\">", false},
		{POOL "disk-" UUID "-2.qcow2\">", LAYER "0123456789abcde.qcow2\">", false},
		{POOL "disk-" UUID "-2.qcow2\">", LAYER "0123456789abcdef.qcow2/\">", false},
		{POOL "disk-" UUID "-2.qcow2\">", POOL "layer-x.qcow2\">", false},
		{POOL "disk-" UUID "-3.qcow2", LAYER "0123456789abcdef.qcow2", false},
		{POOL "disk-" UUID "-2.qcow2\">", POOL "seed-" UUID ".iso\">", false},
		{POOL "disk-" UUID "-2.qcow2\">", POOL "disk-x.qcow2\">", false},
		{POOL "disk-" UUID "-2.qcow2\">", POOL "../disk-" UUID "-2.qcow2\">", false},
		{POOL "disk-" UUID "-2.qcow2\">", "/etc/shadow\">", false},
		{POOL "disk-" UUID ".qcow2\">", "/etc/shadow\">", false},
		{POOL "disk-" UUID "-3.qcow2", OTHER "-3.qcow2", false},
		{POOL "disk-" UUID "-3.qcow2", POOL "disk-" UUID "-x.qcow2", false},
		{POOL "disk-" UUID "-3.qcow2", POOL "disk-" UUID "-0.qcow2", false},
		{"<format type=\"qcow2\"/>", "<format type=\"raw\"/>", false},
		{"<format type=\"qcow2\"/>", "", false},
		{"relabel=\"no\"/>", "relabel=\"yes\"/>", false},
		{"<backingStore type=\"file\">", "<backingStore type=\"network\">", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ char *text = NULL;
		_cleanup_strbuf_ struct strbuf now = STRBUF_INIT;
		const char *at;
		bool ours = false;

		assert_int_equal(file_read(AT_FDCWD, TESTS_DIR "/golden/domain/tcg-snapshots.xml",
					   65536, &text, NULL, &err),
				 0);
		at = strstr(text, cases[i].from);
		assert_non_null(at);
		strbuf_add(&now, text, (size_t)(at - text));
		strbuf_add_text(&now, cases[i].to);
		strbuf_add_text(&now, at + strlen(cases[i].from));
		if ((parse("migrant-claude", strbuf_text(&now), &ours, &err) == 0) !=
		    cases[i].passes)
			fail_msg("%s: %s", cases[i].to, err.message ? err.message : "passes");
	}
}

static void layers_have_an_end(void **state)
{
	(void)state;
	for (int extra = DISK_LAYERS_MAX - 3; extra < DISK_LAYERS_MAX + 3; extra++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ char *text = NULL;
		_cleanup_strbuf_ struct strbuf now = STRBUF_INIT;
		const char *at, *end;
		bool ours = false;

		assert_int_equal(file_read(AT_FDCWD, TESTS_DIR "/golden/domain/tcg-snapshots.xml",
					   65536, &text, NULL, &err),
				 0);
		at = strstr(text, "<backingStore type");
		end = strstr(text, "<backingStore/>");
		assert_non_null(at);
		assert_non_null(end);
		strbuf_add(&now, text, (size_t)(at - text));
		for (int i = 0; i < extra; i++)
			strbuf_addf(&now,
				    "<backingStore type='file'><format type='qcow2'/><source "
				    "file='" POOL "disk-" UUID "-%d.qcow2'/>",
				    i + 9);
		strbuf_add(&now, at, (size_t)(end - at) + strlen("<backingStore/>"));
		for (int i = 0; i < extra; i++)
			strbuf_add_text(&now, "</backingStore>");
		strbuf_add_text(&now, end + strlen("<backingStore/>"));
		assert_int_equal(parse("migrant-claude", strbuf_text(&now), &ours, &err),
				 extra + 2 <= DISK_LAYERS_MAX ? 0 : -1);
	}
}

/* Whom root makes them, and which. */
static void layers_are_found(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_request_ struct request request = {0};
	_cleanup_free_ char *text = NULL;
	_cleanup_strbuf_ struct strbuf now = STRBUF_INIT;
	const char *end;

	(void)state;
	assert_int_equal(file_read(AT_FDCWD, TESTS_DIR "/golden/domain/tcg-snapshots.xml", 65536,
				   &text, NULL, &err),
			 0);
	end = strstr(text, "</domain>");
	assert_non_null(end);
	strbuf_add(&now, text, (size_t)(end - text));
	strbuf_add_text(&now, "<seclabel type='dynamic' model='dac' relabel='yes'>"
			      "<label>+104:+106</label></seclabel></domain>");
	assert_int_equal(
		request_parse("migrant-claude", strbuf_text(&now), now.length, &request, &err), 0);
	assert_int_equal(request.frozen.group, 106);
	assert_int_equal(request.frozen.names.count, 2);
	assert_string_equal(request.frozen.names.items[0], "disk-" UUID "-2.qcow2");
	assert_string_equal(request.frozen.names.items[1], "disk-" UUID ".qcow2");
}

/* What libvirt adds to a running sandbox's folders, and what nobody may change about them. */
static void folders_are_ours(void **state)
{
	static const struct {
		const char *from, *to;
		bool passes;
	} cases[] = {
		{"<target dir=\"share0\"/>",
		 "<target dir=\"share0\"/><alias name=\"fs0\"/><address type=\"pci\"/>", true},
		{"xattr=\"off\"/>", "xattr=\"off\"><cache mode=\"always\"/></binary>", true},
		{"claude/shares/0", "claude/shares/1", false},
		{"claude/shares/0", "claude/shares/2", false},
		{"claude/shares/0", "other/shares/0", false},
		{"claude/shares/0", "claude/shares/0/..", false},
		{"/run/migrant/claude/shares/0", "/", false},
		{"<target dir=\"share0\"/>", "<target dir=\"share1\"/>", false},
		{"<target dir=\"share0\"/>", "<target dir=\"x\"/>", false},
		{"accessmode=\"passthrough\"", "accessmode=\"mapped\"", false},
		{"filesystem type=\"mount\"", "filesystem type=\"ram\"", false},
		{"type=\"virtiofs\"", "type=\"path\"", false},
		{"/usr/sbin/migrant-virtiofsd", "/usr/lib/qemu/virtiofsd", false},
		{"<binary path=\"/usr/sbin/migrant-virtiofsd\" xattr=\"off\"/>", "", false},
		{"xattr=\"off\"", "xattr=\"on\"", false},
		{"xattr=\"off\"/>", "xattr=\"off\"><sandbox mode=\"chroot\"/></binary>", false},
		{"queue=\"1024\"/>", "queue=\"1024\"/><source socket=\"/x\"/>", false},
		{"<source type=\"memfd\"/>", "<source type=\"file\"/>", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ char *text = NULL;
		_cleanup_strbuf_ struct strbuf now = STRBUF_INIT;
		const char *at;
		bool ours = false;

		assert_int_equal(file_read(AT_FDCWD, TESTS_DIR "/golden/domain/tcg-shares.xml",
					   65536, &text, NULL, &err),
				 0);
		at = strstr(text, cases[i].from);
		assert_non_null(at);
		strbuf_add(&now, text, (size_t)(at - text));
		strbuf_addf(&now, "%s%s", cases[i].to, at + strlen(cases[i].from));
		if ((parse("migrant-claude", strbuf_text(&now), &ours, &err) == 0) !=
		    cases[i].passes)
			fail_msg("%s: %s", cases[i].to, err.message ? err.message : "passed");
		if (!cases[i].passes)
			assert_int_equal(err.code, EX_NOPERM);
	}
}

static void changes_are_refused(void **state)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		/* ways around the gateway */
		{INTERFACE_END,
		 INTERFACE_END "<interface type='ethernet'><target dev='tap9'/></interface>"},
		{INTERFACE_END,
		 INTERFACE_END "<interface type='network'><source network='default'/></interface>"},
		{"<driver name='qemu' type='qcow2'", "<driver name='qemu' type='raw'"},
		{"<driver name='qemu' type='qcow2'", "<driver name='qemu'"},
		{"<driver name='qemu' type='raw'", "<driver name='qemu' type='qcow2'"},
		{"<on_crash>destroy", "<on_crash>coredump-restart"},
		{"<memballoon", "<watchdog model='itco' action='dump'/><memballoon"},
		{"<interface type='ethernet'>", "<interface type='bridge'>"},
		{"<interface type='ethernet'>", "<interface type='user'>"},
		{"<target dev='mgt3f2504e0' managed='no'/>",
		 "<target dev='mgt3f2504e0'/><source bridge='br0'/>"},
		{"<target dev='mgt3f2504e0' managed='no'/>",
		 "<target dev='mgt00000000' managed='no'/>"},
		{"managed='no'", "managed='yes'"},
		{"<target dev='mgt3f2504e0' managed='no'/>", ""},
		{"<mac address='52:54:00:6d:67:02'/>", "<mac address='52:54:00:6d:67:03'/>"},
		{"<driver name='qemu'/>", "<driver name='vhost'/>"},
		{"<driver name='qemu'/>", ""},
		{"<driver name='qemu'/>", "<driver name='qemu' queues='4'/>"},
		{"<rom enabled='no'/>", "<rom file='/etc/shadow'/>"},
		{"<rom enabled='no'/>", "<script path='/tmp/x'/>"},
		{"<rom enabled='no'/>", "<ip address='10.0.0.1'/>"},
		{"<rom enabled='no'/>", "<backend vhost='/dev/vhost-net'/>"},
		/* devices of the host */
		{"<memballoon", "<hostdev mode='subsystem' type='pci'/><memballoon"},
		{"<memballoon", "<filesystem type='mount'><source dir='/'/><target "
				"dir='x'/></filesystem><memballoon"},
		{"<memballoon", "<redirdev bus='usb' type='spicevmc'/><memballoon"},
		{"<memballoon", "<graphics type='vnc' listen='0.0.0.0'/><memballoon"},
		{"<memballoon", "<shmem name='x'/><memballoon"},
		{"<memballoon", "<tpm model='tpm-tis'/><memballoon"},
		{"<memballoon", "<vsock model='virtio'/><memballoon"},
		{"<memballoon", "<sound model='ich6'/><memballoon"},
		{"<memballoon", "<memory model='dimm'/><memballoon"},
		{"<memballoon",
		 "<parallel type='file'><source path='/etc/x'/></parallel><memballoon"},
		{"<memballoon model='none'/>", "<memballoon model='virtio'/>"},
		{"<memballoon model='none'/>", ""},
		{"<audio id='1' type='none'/>", "<audio id='1' type='pulseaudio' serverName='x'/>"},
		{"<model type='none'/>", "<model type='qxl'/>"},
		{"type='usb' index='0' model='none'", "type='usb' index='0' model='qemu-xhci'"},
		{"<input type='mouse' bus='ps2'>", "<input type='evdev' bus='ps2'>"},
		{"<input type='mouse' bus='ps2'>", "<input type='mouse' bus='usb'>"},
		/* files of the host */
		{POOL "disk-" UUID ".qcow2",
		 POOL "disk-00000000-4f89-41d3-9a0c-0305e82c3301.qcow2"},
		{POOL "disk-" UUID ".qcow2", "/etc/shadow"},
		{POOL "disk-" UUID ".qcow2", POOL "../disk-" UUID ".qcow2"},
		{"<disk type='file'", "<disk type='block'"},
		{"<disk type='file'", "<disk type='network'"},
		{"device='disk'", "device='lun'"},
		{"index='2'", "index='2' startupPolicy='optional'"},
		{POOL "base-", "/var/lib/libvirt/images/base-"},
		{POOL "base-", POOL "base-/../../x-"},
		{"<seclabel model='dac' relabel='no'/>",
		 "<seclabel model='dac' relabel='yes'><label>0:0</label></seclabel>"},
		{"bus='virtio'", "bus='sata'"},
		{POOL "kernel-", "/boot/kernel-"},
		{POOL "initrd-", "/root/initrd-"},
		{"<kernel>", "<loader>/tmp/evil.fd</loader><kernel>"},
		{"<kernel>", "<loader>/usr/share/OVMF/../../../tmp/evil.fd</loader><kernel>"},
		{"<kernel>", "<nvram>/var/lib/libvirt/qemu/nvram/other_VARS.fd</nvram><kernel>"},
		{"<kernel>", "<nvram template='/tmp/x'/><kernel>"},
		{"<kernel>", "<dtb>/etc/passwd</dtb><kernel>"},
		{"<kernel>", "<acpi><table type='slic'>/etc/passwd</table></acpi><kernel>"},
		{"/var/log/libvirt/qemu/migrant-claude-console.log", "/etc/cron.d/x"},
		{"/var/log/libvirt/qemu/migrant-claude-console.log",
		 "/var/log/libvirt/qemu/migrant-claude-2-console.log"},
		{"<serial type='pty'>", "<serial type='dev'>"},
		{"<serial type='pty'>", "<serial type='tcp'>"},
		{"<source path='/dev/pts/3'/>", "<source path='/dev/sda'/>"},
		{"<channel type='unix'>", "<channel type='spicevmc'>"},
		{"name='org.migrant.ready'", "name='org.qemu.guest_agent.0'"},
		{"/var/lib/libvirt/qemu/channel/target/", "/tmp/"},
		{"/dev/urandom", "/dev/sda"},
		{"<backend model='random'>", "<backend model='egd' type='udp'>"},
		/* the machine */
		{"/usr/bin/qemu-system-x86_64", "/tmp/qemu-system-x86_64"},
		{"machine='pc-q35-7.2'", "machine='pc-i440fx-7.2'"},
		{"<domain type='qemu'", "<domain type='xen'"},
		{"<nosharepages/>", "<source type='memfd'/><access mode='shared'/>"},
		{"<os>",
		 "<sysinfo type='fwcfg'><entry name='x' file='/etc/shadow'/></sysinfo><os>"},
		{"<os>", "<launchSecurity type='sev'/><os>"},
		{"<os>", "<idmap/><os>"},
		{"<seclabel type='dynamic' model='apparmor'",
		 "<seclabel type='none' model='apparmor'"},
		{"<seclabel type='dynamic' model='dac'", "<seclabel type='static' model='dac'"},
		{"</domain>",
		 "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg "
		 "value='-x'/></q:commandline></domain>"},
		{"</devices>", "text</devices>"},
		{"</devices>", "</devices><devices/>"},
		/* whose it is */
		{"<migrant:name>claude", "<migrant:name>other"},
		{"<name>migrant-claude", "<name>migrant-other"},
		{"<uuid>" UUID, "<uuid>00000000-4f89-41d3-9a0c-0305e82c3301"},
		{"<migrant:uuid>" UUID, "<migrant:uuid>00000000-4f89-41d3-9a0c-0305e82c3301"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ char *text = changed(cases[i].from, cases[i].to);
		bool ours = false;

		if (parse("migrant-claude", text, &ours, &err) == 0)
			fail_msg("accepted: %s", cases[i].to);
		assert_true(err.code == EX_NOPERM || err.code == EX_DATAERR);
		assert_false(ours);
	}
}

/* A domain whose metadata are gone, but not its NIC or its disks. */
static void stripped_domains_are_refused(void **state)
{
	_cleanup_free_ char *text = live_domain();
	_cleanup_strbuf_ struct strbuf stripped = STRBUF_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	const char *begin = strstr(text, "<metadata>");
	const char *end = strstr(text, "</metadata>");
	bool ours = false;

	(void)state;
	assert_non_null(begin);
	assert_non_null(end);
	strbuf_add(&stripped, text, (size_t)(begin - text));
	strbuf_add_text(&stripped, end + strlen("</metadata>"));
	assert_int_equal(parse("migrant-claude", strbuf_text(&stripped), &ours, &err), -1);
	assert_int_equal(err.code, EX_NOPERM);
	assert_int_equal(parse("web", strbuf_text(&stripped), &ours, &err), -1);
	assert_int_equal(parse("web",
			       "<domain><devices><disk><source file='" POOL "disk-x'/></disk>"
			       "</devices></domain>",
			       &ours, &err),
			 -1);
	assert_int_equal(parse("web", text, &ours, &err), -1);
}

static void foreign_domains_are_let_alone(void **state)
{
	static const char *const texts[] = {
		"<domain type='kvm'><name>web</name><devices><interface type='bridge'>"
		"<target dev='vnet0'/></interface></devices></domain>",
		"<domain><devices><disk><source "
		"file='/srv/migrant/disk.img'/></disk></devices></domain>",
		"not XML at all",
		"",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		bool ours = true;

		assert_int_equal(parse("migrant-web", texts[i], &ours, &err), 0);
		assert_false(ours);
	}
}

static void document_types_are_refused(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text =
		changed("<domain type", "<!DOCTYPE domain [<!ENTITY x SYSTEM "
					"'file:///etc/passwd'>]>\n<domain type");
	bool ours = false;

	(void)state;
	assert_int_equal(parse("migrant-claude", text, &ours, &err), -1);
	assert_int_equal(err.code, EX_DATAERR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(live_domain_passes),
		cmocka_unit_test(our_own_definitions_pass),
		cmocka_unit_test(harmless_changes_pass),
		cmocka_unit_test(changes_are_refused),
		cmocka_unit_test(folders_are_ours),
		cmocka_unit_test(layers_are_ours),
		cmocka_unit_test(layers_have_an_end),
		cmocka_unit_test(layers_are_found),
		cmocka_unit_test(stripped_domains_are_refused),
		cmocka_unit_test(foreign_domains_are_let_alone),
		cmocka_unit_test(document_types_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
