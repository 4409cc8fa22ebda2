/* The domain's XML: golden files, and that no text in it can become markup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "domain/accel.h"
#include "domain/definition.h"
#include "domain/domain_xml.h"
#include "domain/saved.h"
#include "domain/streams.h"
#include "hook/whitelist.h"
#include "network/wire.h"
#include "seed/seed.h"

#define POOL   "/var/lib/libvirt/images/migrant/"
#define UUID   "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
#define DIGEST "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

static struct metadata metadata(void)
{
	struct metadata value = {
		.version = METADATA_VERSION,
		.name = text_dup("claude"),
		.uuid = text_dup(UUID),
		.owner = 1000,
		.directory = text_dup("/home/dev/claude"),
		.program_version = text_dup("0.1.0"),
		.box = text_dup("debian-12"),
		.box_digest = text_dup(DIGEST),
		.user = text_dup("migrant"),
		.host_key = text_dup("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=="),
		.accel = text_dup("tcg"),
		.policy = {.isolate = true, .limits = POLICY_LIMITS_DEFAULT},
		.wire = {.length = 30},
	};

	assert_int_equal(parse_mac(GUEST_MAC, &value.wire.guest_mac), 0);
	assert_int_equal(parse_address("10.213.0.2", &value.wire.guest), 0);
	assert_int_equal(parse_address("10.213.0.1", &value.wire.gateway), 0);
	return value;
}

static struct domain_spec spec(const struct metadata *from)
{
	return (struct domain_spec){
		.metadata = from,
		.accel = DOMAIN_TCG,
		.cpus = 2,
		.memory = UINT64_C(2) << 30,
		.kernel = POOL "kernel-" UUID,
		.initrd = POOL "initrd-" UUID,
		.cmdline = "root=/dev/vda console=ttyS0",
		.disk = POOL "disk-" UUID ".qcow2",
		.base = POOL "base-" DIGEST ".qcow2",
		.base_format = "qcow2",
		.seed = POOL "seed-" UUID ".iso",
	};
}

/* With MIGRANT_GOLDEN=write the files are written instead of compared. */
static void check_golden(const char *name, const char *text)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *path = text_format(TESTS_DIR "/golden/domain/%s.xml", name);
	_cleanup_free_ char *golden = NULL;

	if (text_equal(getenv("MIGRANT_GOLDEN"), "write"))
		assert_int_equal(file_replace(AT_FDCWD, path, text, strlen(text), 0644, &err), 0);
	assert_int_equal(file_read(AT_FDCWD, path, 65536, &golden, NULL, &err), 0);
	assert_string_equal(text, golden);
}

static void check_spec(const char *name, const struct domain_spec *from)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = NULL;

	assert_int_equal(domain_xml(from, &text, &err), 0);
	check_golden(name, text);
}

static void golden_files(void **state)
{
	_cleanup_metadata_ struct metadata from = metadata();
	struct domain_spec variant = spec(&from);

	(void)state;
	check_spec("tcg-kernel", &variant);

	variant.accel = DOMAIN_KVM;
	text_replace(&from.accel, "kvm");
	check_spec("kvm-kernel", &variant);
	variant.nested = true;
	check_spec("kvm-nested", &variant);
	variant.nested = false;

	variant.seed = NULL;
	from.booted = true;
	check_spec("kvm-booted", &variant);

	variant.kernel = variant.initrd = variant.cmdline = NULL;
	check_spec("kvm-bios", &variant);
	variant.uefi = true;
	check_spec("kvm-uefi", &variant);
}

static void golden_shares(void **state)
{
	_cleanup_metadata_ struct metadata from = metadata();
	struct domain_spec variant = spec(&from);

	(void)state;
	from.shares[0] = (struct share){
		.host = text_dup("workspace"),
		.guest = text_dup("/home/migrant/workspace"),
		.size = UINT64_C(10) << 30,
		.isolate = true,
	};
	from.shares[1] = (struct share){
		.host = text_dup("data/in & \"out\""),
		.guest = text_dup("/srv/<data>"),
		.size = UINT64_C(64) << 20,
		.isolate = true,
		.read_only = true,
		.reserve = true,
	};
	from.share_count = 2;
	share_tag(0, from.shares[0].tag);
	share_tag(1, from.shares[1].tag);
	check_spec("tcg-shares", &variant);
}

static struct snapshot snapshot(const char *name, const char *layer)
{
	return (struct snapshot){
		.name = text_dup(name),
		.layer = text_dup(layer),
		.created = text_dup("2026-11-22T15:00:00Z"),
		.running = true,
	};
}

static void golden_snapshots(void **state)
{
	static const char *const layers[] = {POOL "disk-" UUID "-2.qcow2",
					     POOL "disk-" UUID ".qcow2", NULL};
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_metadata_ struct metadata from = metadata();
	_cleanup_snapshots_ struct snapshots list = {0};
	_cleanup_snapshot_ struct snapshot first = snapshot("up", "disk-" UUID ".qcow2");
	_cleanup_snapshot_ struct snapshot second = snapshot("s1", "disk-" UUID "-2.qcow2");
	_cleanup_snapshot_ struct snapshot third = snapshot("warm", "disk-" UUID "-1.qcow2");
	struct domain_spec variant = spec(&from);

	(void)state;
	second.text = text_dup("</list> & \"before\" <x>");
	second.running = false;
	third.memory = text_dup("memory-" UUID "-2");
	third.machine = text_dup("7.2.22-" DIGEST);
	assert_int_equal(snapshots_add(&list, &first, &err), 0);
	assert_int_equal(snapshots_add(&list, &second, &err), 0);
	assert_int_equal(snapshots_add(&list, &third, &err), 0);
	variant.seed = NULL;
	variant.disk = POOL "disk-" UUID "-3.qcow2";
	variant.layers = layers;
	variant.snapshots = &list;
	check_spec("tcg-snapshots", &variant);
}

static void snapshots_are_checked(void **state)
{
	static const struct {
		const char *name, *layer, *created, *text;
	} bad[] = {
		{"", "disk-" UUID ".qcow2", "2026-11-22T15:00:00Z", NULL},
		{"../x", "disk-" UUID ".qcow2", "2026-11-22T15:00:00Z", NULL},
		{"a", "base-" DIGEST ".qcow2", "2026-11-22T15:00:00Z", NULL},
		{"a", "../disk-" UUID ".qcow2", "2026-11-22T15:00:00Z", NULL},
		{"a", "disk-" UUID "-0.qcow2", "2026-11-22T15:00:00Z", NULL},
		{"a", "disk-" UUID "-01.qcow2", "2026-11-22T15:00:00Z", NULL},
		{"a", "disk-" UUID "-1/x.qcow2", "2026-11-22T15:00:00Z", NULL},
		{"a", "disk-" UUID "x.qcow2", "2026-11-22T15:00:00Z", NULL},
		{"a", "disk-" UUID ".qcow2", "yesterday", NULL},
		{"a", "disk-" UUID ".qcow2", "2026-11-22T15:00:00Z", "a\x1b[2Jb"},
		{"a", "disk-" UUID ".qcow2", "2026-11-22T15:00:00Z", "a\nb"},
		{"up", "disk-" UUID ".qcow2", "2026-11-22T15:00:00Z", "twice"},
	};
	_cleanup_snapshots_ struct snapshots list = {0};
	_cleanup_snapshot_ struct snapshot good = snapshot("up", "disk-" UUID ".qcow2");
	_cleanup_error_ struct error none = ERROR_INIT;

	(void)state;
	assert_int_equal(snapshots_add(&list, &good, &none), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_snapshot_ struct snapshot one = snapshot(bad[i].name, bad[i].layer);

		text_replace(&one.created, bad[i].created);
		one.text = text_dup(bad[i].text);
		assert_int_equal(snapshots_add(&list, &one, &err), -1);
		assert_int_equal(err.code, EX_DATAERR);
	}
	assert_int_equal(list.count, 1);
	snapshots_remove(&list, "none");
	assert_int_equal(list.count, 1);
	snapshots_remove(&list, "up");
	assert_int_equal(list.count, 0);
}

/* What is deleted and what QEMU reads is named by it. */
static void memories_are_checked(void **state)
{
	static const char *const bad[] = {
		"",
		"memory-",
		"memory-" UUID,
		"memory-" UUID "-0",
		"memory-" UUID "-1/../../x",
		"disk-" UUID "-1.qcow2",
		"../memory-" UUID "-1",
		"memory-" UUID "-1 ",
	};
	_cleanup_snapshots_ struct snapshots list = {0};
	_cleanup_snapshot_ struct snapshot halted = snapshot("h", "disk-" UUID ".qcow2");
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_snapshot_ struct snapshot one = snapshot("a", "disk-" UUID ".qcow2");

		one.memory = text_dup(bad[i]);
		one.machine = text_dup("7.2.22-" DIGEST);
		assert_int_equal(snapshots_add(&list, &one, &err), -1);
		assert_int_equal(err.code, EX_DATAERR);
	}
	halted.memory = text_dup("memory-" UUID "-1");
	assert_int_equal(snapshots_add(&list, &halted, &err), -1); /* on no machine */
	halted.machine = text_dup("7.2.22-" DIGEST);
	halted.running = false;
	assert_int_equal(snapshots_add(&list, &halted, &err), -1);
	halted.running = true;
	assert_int_equal(snapshots_add(&list, &halted, &err), 0);
	assert_true(memory_name_is_valid("memory-" UUID "-1", UUID));
	assert_false(
		memory_name_is_valid("memory-" UUID "-1", "00000000-0000-4000-8000-000000000000"));
}

static char *machine_of(const struct domain_spec *from)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *xml = NULL;

	assert_int_equal(domain_xml(from, &xml, &err), 0);
	return saved_machine(xml);
}

/* Memory goes on on the same machine only; disk and policy may be others. */
static void a_machine_is_known_again(void **state)
{
	static const char *const layers[] = {POOL "disk-" UUID ".qcow2", NULL};
	_cleanup_metadata_ struct metadata from = metadata();
	struct domain_spec variant = spec(&from);
	_cleanup_free_ char *before = machine_of(&variant);
	_cleanup_free_ char *same = NULL, *larger = NULL, *faster = NULL;

	(void)state;
	variant.disk = POOL "disk-" UUID "-3.qcow2";
	variant.layers = layers;
	from.ttl = 3600;
	same = machine_of(&variant);
	assert_string_equal(same, before);
	assert_null(strstr(same, "genid"));
	assert_null(strstr(same, POOL "disk-"));
	assert_non_null(strstr(same, "type=\"ethernet\""));
	variant.memory *= 2;
	larger = machine_of(&variant);
	assert_string_not_equal(larger, before);
	variant.memory /= 2;
	variant.cpus++;
	faster = machine_of(&variant);
	assert_string_not_equal(faster, before);
	assert_null(saved_machine("<domain>"));
}

/* The saved domain gets the disk and the policy of now, and keeps its machine. */
static void saved_domains_are_edited(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_metadata_ struct metadata from = metadata();
	struct domain_spec variant = spec(&from);
	_cleanup_definition_ struct definition now = {0}, after = {0};
	_cleanup_free_ char *saved = NULL, *edited = NULL, *before = machine_of(&variant);
	_cleanup_free_ char *machine = NULL;

	(void)state;
	assert_int_equal(domain_xml(&variant, &saved, &err), 0);
	assert_int_equal(definition_parse(saved, &now, &err), 0);
	text_replace(&now.disk, POOL "disk-" UUID "-9.qcow2");
	now.metadata.ttl = 7200;
	assert_int_equal(saved_edit(saved, &now, &edited, &err), 0);
	assert_int_equal(definition_parse(edited, &after, &err), 0);
	assert_string_equal(after.disk, now.disk);
	assert_int_equal(after.metadata.ttl, 7200);
	machine = saved_machine(edited);
	assert_string_equal(machine, before);
	free(take_ptr(edited));
	assert_int_equal(saved_edit("<domain/>", &now, &edited, &err), -1);
	assert_int_equal(err.code, EX_DATAERR);
}

/* Over a layer, which lies over a box's image. */
static void golden_layer(void **state)
{
#define EIGHT "01234567"
#define LAYER \
	POOL "layer-" EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT "-0123456789abcdef.qcow2"
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_metadata_ struct metadata from = metadata();
	_cleanup_definition_ struct definition read = {0};
	_cleanup_free_ char *xml = NULL;
	struct domain_spec variant = spec(&from);

	(void)state;
	variant.seed = NULL;
	variant.base = LAYER;
	variant.base_format = "qcow2";
	variant.below = POOL "base-" DIGEST ".raw";
	variant.below_format = "raw";
	check_spec("tcg-layer", &variant);
	assert_int_equal(domain_xml(&variant, &xml, &err), 0);
	assert_int_equal(definition_parse(xml, &read, &err), 0);
	assert_string_equal(read.base, LAYER);
	assert_string_equal(read.base_format, "qcow2");
	assert_string_equal(read.below, variant.below);
	assert_string_equal(read.below_format, "raw");
	assert_null(read.layers[0]);
}

/* An edit changes the disk and the index, and nothing besides. */
static void an_edit_reads_back(void **state)
{
	static const char *const files[] = {"tcg-kernel", "tcg-snapshots", "tcg-layer"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_definition_ struct definition before = {0}, after = {0};
		_cleanup_snapshot_ struct snapshot one = snapshot("new", "disk-" UUID "-2.qcow2");
		_cleanup_free_ char *xml = NULL, *edited = NULL, *again = NULL, *path = NULL;

		path = text_format(TESTS_DIR "/golden/domain/%s.xml", files[i]);
		assert_int_equal(file_read(AT_FDCWD, path, 65536, &xml, NULL, &err), 0);
		assert_int_equal(definition_parse(xml, &before, &err), 0);
		assert_int_equal(snapshots_add(&before.snapshots, &one, &err), 0);
		text_replace(&before.disk, POOL "disk-" UUID "-9.qcow2");
		assert_int_equal(definition_edit(xml, &before, &edited, &err), 0);
		assert_int_equal(definition_parse(edited, &after, &err), 0);
		assert_string_equal(after.disk, before.disk);
		assert_string_equal(after.base, before.base);
		assert_true(text_equal(after.below, before.below));
		assert_int_equal(after.snapshots.count, before.snapshots.count);
		assert_non_null(snapshots_find(&after.snapshots, "new"));
		for (size_t j = 0; before.layers[j] || after.layers[j]; j++)
			assert_string_equal(after.layers[j], before.layers[j]);
		assert_int_equal(definition_edit(edited, &after, &again, &err), 0);
		assert_string_equal(again, edited);
		assert_non_null(strstr(edited, "<cmdline>root=/dev/vda console=ttyS0</cmdline>"));
	}
}

static void golden_probes(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *kernel = NULL;
	_cleanup_free_ char *bios = NULL;

	(void)state;
	assert_int_equal(domain_probe_xml("probe-kvm-1", POOL "kernel-" UUID, &kernel, &err), 0);
	check_golden("probe-kernel", kernel);
	assert_int_equal(domain_probe_xml("probe-kvm-1", NULL, &bios, &err), 0);
	check_golden("probe-bios", bios);
}

/* The text at @path, which must be there exactly once. */
static char *xpath_text(const char *xml, const char *path)
{
	xmlDocPtr doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, XML_PARSE_NONET);
	xmlXPathContextPtr context;
	xmlXPathObjectPtr found;
	xmlChar *content;
	char *text;

	assert_non_null(doc);
	context = xmlXPathNewContext(doc);
	found = xmlXPathEvalExpression((const xmlChar *)path, context);
	assert_non_null(found);
	assert_int_equal(xmlXPathNodeSetGetLength(found->nodesetval), 1);
	content = xmlNodeGetContent(found->nodesetval->nodeTab[0]);
	text = text_dup((const char *)content);
	xmlFree(content);
	xmlXPathFreeObject(found);
	xmlXPathFreeContext(context);
	xmlFreeDoc(doc);
	return text;
}

static void hostile_text_stays_text(void **state)
{
	static const char *const hostile[] = {"</cmdline><disk/>",
					      "]]>",
					      "<![CDATA[x]]>",
					      "&amp;&#10;&x;",
					      "a\"b'c<!-- d --><?e?>",
					      "--",
					      "-x",
					      "$(id) `id` ../../../etc",
					      "%s%n",
					      "\xe2\x80\xae reversed"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_metadata_ struct metadata from = metadata();
		_cleanup_free_ char *directory = text_format("/home/dev/%s", hostile[i]);
		struct domain_spec variant = spec(&from);
		_cleanup_free_ char *xml = NULL;
		_cleanup_free_ char *cmdline = NULL;
		_cleanup_free_ char *disk = NULL;
		_cleanup_free_ char *back = NULL;

		text_replace(&from.directory, directory);
		variant.cmdline = variant.disk = hostile[i];
		assert_int_equal(domain_xml(&variant, &xml, &err), 0);
		cmdline = xpath_text(xml, "/domain/os/cmdline");
		assert_string_equal(cmdline, hostile[i]);
		disk = xpath_text(xml, "/domain/devices/disk[1]/source/@file");
		assert_string_equal(disk, hostile[i]);
		back = xpath_text(xml, "/domain/metadata/*/*[local-name()='directory']");
		assert_string_equal(back, directory);
	}
}

static void definition_reads_back(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_metadata_ struct metadata from = metadata();
	_cleanup_definition_ struct definition back = {0};
	struct domain_spec variant = spec(&from);
	_cleanup_free_ char *xml = NULL;

	(void)state;
	variant.cmdline = "a='<&>' b";
	assert_int_equal(domain_xml(&variant, &xml, &err), 0);
	assert_int_equal(definition_parse(xml, &back, &err), 0);
	assert_string_equal(back.base, variant.base);
	assert_string_equal(back.base_format, variant.base_format);
	assert_string_equal(back.kernel, variant.kernel);
	assert_string_equal(back.initrd, variant.initrd);
	assert_string_equal(back.cmdline, variant.cmdline);
	assert_string_equal(back.metadata.host_key, from.host_key);
	assert_false(back.uefi);

	definition_done(&back);
	variant.kernel = NULL;
	variant.uefi = true;
	free(xml);
	assert_int_equal(domain_xml(&variant, &xml, &err), 0);
	assert_int_equal(definition_parse(xml, &back, &err), 0);
	assert_null(back.kernel);
	assert_true(back.uefi);
}

static void definition_of_others(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct definition back = {0};

	(void)state;
	assert_int_equal(definition_parse("<domain><name>x</name></domain>", &back, &err), -1);
	assert_int_equal(err.code, EX_CANTCREAT);
	assert_int_equal(definition_parse("<domain", &back, &err), -1);
	assert_int_equal(err.code, EX_DATAERR);
}

/* The hook's table of devices and this room's text are two ends of one thing. */
static void the_hook_lets_it_start(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_metadata_ struct metadata from = metadata();
	struct domain_spec variant = spec(&from);

	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		_cleanup_free_ char *xml = NULL;
		xmlDocPtr doc;

		variant.accel = kind & 1 ? DOMAIN_KVM : DOMAIN_TCG;
		variant.kernel = kind & 2 ? NULL : POOL "kernel-" UUID;
		assert_int_equal(domain_xml(&variant, &xml, &err), 0);
		doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, XML_PARSE_NONET);
		assert_int_equal(whitelist_check(xmlDocGetRootElement(doc), &from, &err), 0);
		xmlFreeDoc(doc);
	}
}

static void control_bytes_are_refused(void **state)
{
	static const char *const bad[] = {"a\nb", "a\tb", "\x1b[2J", "\x7f", "\xff", "\xc0\x80"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_metadata_ struct metadata from = metadata();
		struct domain_spec variant = spec(&from);
		char *xml = NULL;

		variant.cmdline = bad[i];
		assert_int_equal(domain_xml(&variant, &xml, &err), -1);
		assert_int_equal(err.code, EX_DATAERR);
		variant.cmdline = NULL;
		text_replace(&from.box, bad[i]);
		assert_int_equal(domain_xml(&variant, &xml, &err), -1);
		assert_int_equal(err.code, EX_DATAERR);
		assert_null(xml);
	}
}

static void memory_limit_leaves_room_for_qemu(void **state)
{
	struct domain_spec variant = {.accel = DOMAIN_KVM, .memory = UINT64_C(1) << 30};

	(void)state;
	assert_true(domain_memory_limit(&variant) > variant.memory);
	variant.accel = DOMAIN_TCG;
	assert_true(domain_memory_limit(&variant) > variant.memory + (UINT64_C(1) << 30));
}

static void tail_keeps_the_end(void **state)
{
	static struct tail tail;
	_cleanup_free_ char *all = NULL;
	_cleanup_free_ char *two = NULL;
	_cleanup_free_ char *none = NULL;

	(void)state;
	none = tail_lines(&tail, 5);
	assert_string_equal(none, "");
	for (int i = 0; i < 3000; i++) {
		_cleanup_free_ char *line = text_format("\x1b[0;32mline %d\x1b[0m\r\n", i);

		tail_add(&tail, line, strlen(line));
	}
	assert_int_equal(tail.length, TAIL_SIZE);
	two = tail_lines(&tail, 2);
	assert_string_equal(two, "line 2998\nline 2999");
	all = tail_lines(&tail, SIZE_MAX);
	assert_true(strlen(all) < TAIL_SIZE);
}

static void tail_survives_anything(void **state)
{
	static const char bytes[] = "\x1b[\x1b[31\0x\x1b]52;c;AAAA\x07\x1b";
	static char big[3 * TAIL_SIZE];
	struct tail tail = {0};
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *shown = NULL;

	(void)state;
	memset(big, 'x', sizeof(big));
	tail_add(&tail, big, sizeof(big));
	assert_int_equal(tail.length, TAIL_SIZE);
	tail_add(&tail, "\n", 1);
	tail_add(&tail, bytes, sizeof(bytes) - 1);
	text = tail_lines(&tail, 1);
	shown = text_escape(text, strlen(text), true);
	assert_null(strchr(shown, '\x1b'));
	assert_null(strchr(shown, '\x07'));
}

static bool is_ready(const char *bytes)
{
	struct ready ready = {0};

	for (const char *at = bytes; *at; at++)
		ready_add(&ready, at, 1);
	return ready.seen;
}

static void ready_line_is_exact(void **state)
{
	struct ready flood = {0};

	(void)state;
	assert_true(is_ready(READY_LINE));
	assert_true(is_ready("half a li\n" READY_LINE));
	assert_true(is_ready(READY_LINE READY_LINE));
	assert_false(is_ready("MIGRANT READY 1"));
	assert_false(is_ready("MIGRANT READY 11\n"));
	assert_false(is_ready(" " READY_LINE));
	assert_false(is_ready("MIGRANT READY 1\r\n"));
	for (size_t i = 0; i <= READY_LIMIT; i++)
		ready_add(&flood, "x", 1);
	ready_add(&flood, "\n" READY_LINE, sizeof(READY_LINE));
	assert_false(flood.seen);
}

static void answers_come_back_from_the_cache(void **state)
{
	struct accel_answer answer = {.boot_id = text_dup("7d0e"),
				      .kernel = text_dup("6.1.0-\"x"),
				      .qemu = 7002022,
				      .reason = text_dup("it \"hangs\"")};
	struct accel_answer back = {0};
	_cleanup_free_ char *text = accel_answer_format(&answer);

	(void)state;
	assert_int_equal(accel_answer_parse(text, &back), 0);
	assert_string_equal(back.boot_id, answer.boot_id);
	assert_string_equal(back.kernel, answer.kernel);
	assert_string_equal(back.reason, answer.reason);
	assert_int_equal(back.qemu, answer.qemu);
	assert_false(back.works);
	accel_answer_done(&answer);
	accel_answer_done(&back);
	assert_int_equal(accel_answer_parse("", &back), -1);
	assert_int_equal(accel_answer_parse("[]", &back), -1);
	assert_int_equal(accel_answer_parse("{\"kvm\": true}", &back), -1);
	assert_int_equal(accel_answer_parse("{\"boot_id\": 1, \"kernel\": \"a\", \"qemu\": 1, "
					    "\"kvm\": \"yes\", \"reason\": \"\"}",
					    &back),
			 -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_files),
		cmocka_unit_test(golden_shares),
		cmocka_unit_test(golden_snapshots),
		cmocka_unit_test(golden_layer),
		cmocka_unit_test(snapshots_are_checked),
		cmocka_unit_test(memories_are_checked),
		cmocka_unit_test(a_machine_is_known_again),
		cmocka_unit_test(saved_domains_are_edited),
		cmocka_unit_test(an_edit_reads_back),
		cmocka_unit_test(golden_probes),
		cmocka_unit_test(hostile_text_stays_text),
		cmocka_unit_test(definition_reads_back),
		cmocka_unit_test(definition_of_others),
		cmocka_unit_test(the_hook_lets_it_start),
		cmocka_unit_test(control_bytes_are_refused),
		cmocka_unit_test(memory_limit_leaves_room_for_qemu),
		cmocka_unit_test(tail_keeps_the_end),
		cmocka_unit_test(tail_survives_anything),
		cmocka_unit_test(ready_line_is_exact),
		cmocka_unit_test(answers_come_back_from_the_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
