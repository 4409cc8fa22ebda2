/* The pure parts of the box room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/strbuf.h"
#include "box/checksum.h"
#include "box/debstrap.h"
#include "box/inspect.h"
#include "box/manifest.h"
#include "box/volume.h"
#include "golden.h"

static void test_volume_base(void **state)
{
	const struct volume volume = {
		.name = "base-1&2.qcow2", .format = "raw", .capacity = 4096, .mode = 0444};
	_cleanup_free_ char *xml = volume_xml(&volume);

	(void)state;
	assert_golden(xml, "box/volume-base.xml");
}

static void test_volume_overlay(void **state)
{
	const struct volume volume = {
		.name = "disk-0.qcow2",
		.format = "qcow2",
		.capacity = UINT64_C(20) << 30,
		.mode = 0600,
		.backing_path = "/pool/base-1.qcow2",
		.backing_format = "qcow2",
	};
	_cleanup_free_ char *xml = volume_xml(&volume);

	(void)state;
	assert_golden(xml, "box/volume-overlay.xml");
}

static const char known[] = "<volume><name>a</name><capacity unit='bytes'>9</capacity><physical "
			    "unit='bytes'>4096</physical>"
			    "<target><permissions><mode>0444</mode><owner>0</owner><group>0</"
			    "group></permissions></target>"
			    "<backingStore><path>/pool/b</path></backingStore></volume>";

static void test_volume_parse(void **state)
{
	_cleanup_volume_facts_ struct volume_facts facts = {0};
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(volume_parse(known, &facts, &err), 0);
	assert_int_equal(facts.stored, 4096);
	assert_int_equal(facts.mode, 0444);
	assert_int_equal(facts.owner, 0);
	assert_string_equal(facts.backing_path, "/pool/b");
	assert_int_equal(volume_parse("<volume/>", &facts, &err), -1);
	assert_int_equal(volume_parse("<volume", &facts, &err), -1);
}

/* --- images -------------------------------------------------------------------------------- */

#define CLUSTER 65536

struct image {
	unsigned char bytes[CLUSTER];
	uint64_t stored;
};

static void put32(struct image *image, size_t at, uint32_t value)
{
	for (size_t i = 0; i < 4; i++)
		image->bytes[at + i] = (unsigned char)(value >> (24 - 8 * i));
}

static void put64(struct image *image, size_t at, uint64_t value)
{
	put32(image, at, (uint32_t)(value >> 32));
	put32(image, at + 4, (uint32_t)value);
}

/* A plain version 3 image of 1 GiB: header, refcount table, L1 table. */
static void plain_image(struct image *image)
{
	memset(image, 0, sizeof(*image));
	memcpy(image->bytes, "QFI\xfb", 4);
	put32(image, 4, 3);
	put32(image, 20, 16);
	put64(image, 24, UINT64_C(1) << 30);
	put32(image, 36, 2);
	put64(image, 40, UINT64_C(3) * CLUSTER);
	put64(image, 48, CLUSTER);
	put32(image, 56, 1);
	put32(image, 96, 4);
	put32(image, 100, 104);
	image->stored = UINT64_C(4) * CLUSTER;
}

static int check_image(const struct image *image, enum image_format format, struct error *err)
{
	uint64_t size = 0;

	return image_check_header(image->bytes, sizeof(image->bytes), image->stored, format, &size,
				  err);
}

static void assert_image_refused(const struct image *image, enum image_format format,
				 const char *reason)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(check_image(image, format, &err), -1);
	assert_int_equal(err.code, EX_DATAERR);
	if (!strstr(err.message, reason))
		fail_msg("'%s' is not in '%s'", reason, err.message);
}

static void test_image_plain(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct image image;
	uint64_t size = 0;

	(void)state;
	plain_image(&image);
	assert_int_equal(image_check_header(image.bytes, sizeof(image.bytes), image.stored,
					    IMAGE_QCOW2, &size, &err),
			 0);
	assert_int_equal(size, UINT64_C(1) << 30);
	put64(&image, 72, 8 | 16); /* compression type, extended L2 entries */
	put32(&image, 104, 0x6803f857);
	assert_int_equal(check_image(&image, IMAGE_QCOW2, &err), 0);
	plain_image(&image);
	put32(&image, 4, 2);
	assert_int_equal(check_image(&image, IMAGE_QCOW2, &err), 0);
}

/* A copy of a disk lies over the one file that it should lie over. */
static void test_image_overlay(void **state)
{
	static const char base[] = "/pool/base.qcow2";
	static const struct {
		uint64_t offset;
		uint32_t length;
		const char *text;
		bool passes;
	} cases[] = {
		{512, sizeof(base) - 1, base, true},
		{512, sizeof(base) - 2, base, false},
		{512, sizeof(base) - 1, "/etc/shadow12345", false},
		{0, 0, "", false},
		{CLUSTER - 4, sizeof(base) - 1, base, false},
		{UINT64_MAX - 4, sizeof(base) - 1, base, false},
	};
	struct image image;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		uint64_t size = 0;
		int result;

		plain_image(&image);
		put64(&image, 8, cases[i].offset);
		put32(&image, 16, cases[i].length);
		put32(&image, 104, 0xe2792aca);
		put32(&image, 108, 5);
		if (cases[i].offset == 512)
			memcpy(image.bytes + 512, cases[i].text, strlen(cases[i].text));
		result = image_check_overlay(image.bytes, sizeof(image.bytes), image.stored, base,
					     &size, &err);
		assert_int_equal(result, cases[i].passes ? 0 : -1);
		if (cases[i].passes)
			assert_image_refused(&image, IMAGE_QCOW2, "backing file");
	}
	put64(&image, 72, 4);
	assert_image_refused(&image, IMAGE_QCOW2, "");
}

static void test_image_numbers(void **state)
{
	static const struct {
		size_t at;
		unsigned int width;
		uint64_t value;
		const char *reason;
	} cases[] = {
		{0, 4, 0x12345678, "not qcow2"},
		{4, 4, 1, "unknown version"},
		{4, 4, 4, "unknown version"},
		{8, 8, 512, "backing file"},
		{16, 4, 5, "backing file"},
		{20, 4, 8, "damaged"},
		{20, 4, 22, "damaged"},
		{24, 8, 0, "virtual size"},
		{24, 8, 1000, "virtual size"},
		{24, 8, UINT64_C(60) << 40, "61440 GiB"},
		{24, 8, UINT64_MAX - 511, "GiB"},
		{32, 4, 1, "encrypted"},
		{32, 4, 2, "encrypted"},
		{36, 4, 0xffffffff, "absurdly large"},
		{40, 8, 0, "truncated"},
		{40, 8, UINT64_C(4) * CLUSTER, "truncated"},
		{40, 8, 512, "truncated"},
		{40, 8, UINT64_MAX - CLUSTER + 1, "truncated"},
		{48, 8, UINT64_C(1) << 60, "truncated"},
		{56, 4, 0xffffffff, "absurdly large"},
		{60, 4, 1, "snapshots"},
		{72, 8, 1, "not closed cleanly"},
		{72, 8, 2, "not closed cleanly"},
		{72, 8, 4, "data file"},
		{72, 8, 32, "features that are unknown"},
		{72, 8, UINT64_C(1) << 63, "features that are unknown"},
		{100, 4, 72, "damaged"},
		{100, 4, 105, "damaged"},
		{100, 4, 0xfffffff8, "damaged"},
		{104, 4, 0xe2792aca, "backing file"},
		{104, 4, 0x44415441, "data file"},
		{104, 4, 0x0537be77, "encrypted"},
		{104, 4, 0x23852875, "bitmaps"},
		{104, 4, 0xdeadbeef, "extension that is unknown"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct image image;

		plain_image(&image);
		if (cases[i].width == 4)
			put32(&image, cases[i].at, (uint32_t)cases[i].value);
		else
			put64(&image, cases[i].at, cases[i].value);
		assert_image_refused(&image, IMAGE_QCOW2, cases[i].reason);
	}
}

/* An extension behind allowed ones, and one that reaches out of the header. */
static void test_image_extensions(void **state)
{
	struct image image;

	(void)state;
	plain_image(&image);
	put32(&image, 104, 0x6803f857);
	put32(&image, 108, 3);
	put32(&image, 120, 0x44415441);
	assert_image_refused(&image, IMAGE_QCOW2, "data file");
	put32(&image, 108, 0xfffffff0);
	assert_image_refused(&image, IMAGE_QCOW2, "cut off");
}

static void test_image_lengths(void **state)
{
	struct image image;
	uint64_t size;

	(void)state;
	plain_image(&image);
	for (size_t length = 0; length < 112; length++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ unsigned char *exact = xcalloc(length, 1);

		memcpy(exact, image.bytes, length);
		if (image_check_header(exact, length, length, IMAGE_QCOW2, &size, &err) == 0)
			fail_msg("%zu bytes pass for an image", length);
	}
}

static void test_image_other_formats(void **state)
{
	static const char *const magics[] = {
		"KDMV",		  "# Disk DescriptorFile", "<<< Oracle", "vhdxfile",
		"conectix",	  "LUKS\xba\xbe",	   "\x1f\x8b",	 "QFI\xfb",
		"<!DOCTYPE html>"};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct image image;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
		memset(&image, 0, sizeof(image));
		memcpy(image.bytes, magics[i], strlen(magics[i]));
		image.stored = CLUSTER;
		assert_image_refused(&image, IMAGE_RAW, "not raw");
		if (i != 7)
			assert_image_refused(&image, IMAGE_QCOW2, "not qcow2");
	}
	memset(&image, 0, sizeof(image));
	image.stored = CLUSTER;
	assert_int_equal(check_image(&image, IMAGE_RAW, &err), 0);
	image.stored = CLUSTER + 1;
	assert_image_refused(&image, IMAGE_RAW, "virtual size");
}

/* --- checksums ------------------------------------------------------------------------------ */

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void test_checksum_parse(void **state)
{
	static const char *const bad[] = {
		"",	      A64,	     "sha256:",		"sha256:" A64 "a",
		"md5:" A64,   "sha512:" A64, "sha256:" A64 B64, "sha256: " A64,
		"SHA256:" A64};
	struct digest digest;

	(void)state;
	assert_int_equal(checksum_parse("sha256:" A64, &digest), 0);
	assert_int_equal(digest.kind, DIGEST_SHA256);
	assert_int_equal(checksum_parse("sha512:" A64 "B" A64 "0123456789abcdef"
					"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
					&digest),
			 -1);
	assert_int_equal(checksum_parse("sha512:" A64 B64, &digest), 0);
	assert_int_equal(digest.kind, DIGEST_SHA512);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(checksum_parse(bad[i], &digest), -1);
}

static void test_checksum_find(void **state)
{
	static const struct {
		const char *text;
		const char *expected; /* NULL: refused */
	} cases[] = {
		{A64 "  box.qcow2\n" B64 "  other\n", A64},
		{B64 "  other\n" A64 " *box.qcow2\r\n", A64},
		{"# SHA\nSHA256 (box.qcow2) = " A64 "\n", A64},
		{A64 "\n", A64},
		{A64, A64},
		{A64 "  ./dir/box.qcow2\n", A64},
		{A64 "  box.qcow2\n" A64 "  box.qcow2\n", A64},
		{A64 "  box.qcow2\n" B64 "  box.qcow2\n", NULL},
		{A64 "  xbox.qcow2\n", NULL},
		{A64 "  box.qcow2.asc\n", NULL},
		{"SHA512 (box.qcow2) = " A64 "\n", NULL},
		{"SHA256 (box.qcow2) = " A64 "0\n", NULL},
		{A64 " box.qcow2\n", NULL},
		{"zz  box.qcow2\n", NULL},
		{A64 "\n" B64 "\n", NULL},
		{"", NULL},
		{") = ", NULL},
		{"SHA256 (", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		struct digest digest;
		int result = checksum_find(cases[i].text, "box.qcow2", &digest, &err);

		assert_int_equal(result, cases[i].expected ? 0 : -1);
		if (cases[i].expected)
			assert_string_equal(digest.text, cases[i].expected);
		else
			assert_int_equal(err.code, EX_DATAERR);
	}
}

/* FIPS 180-4 test vectors ("abc"). */
static void test_digest_file(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_close_ int fd = file_memory("abc", "abc", 3);
	struct digest digest;
	uint64_t length;

	(void)state;
	assert_int_equal(digest_file(fd, DIGEST_SHA256, &digest, &length, &err), 0);
	assert_int_equal(length, 3);
	assert_string_equal(digest.text,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(digest_file(fd, DIGEST_SHA512, &digest, NULL, &err), 0);
	assert_memory_equal(digest.text, "ddaf35a193617abacc417349ae204131", 32);
}

/* --- the host's mirrors --------------------------------------------------------------------- */

static void assert_sources(const char *text, bool deb822, const char *expected)
{
	_cleanup_sources_ struct sources sources = {0};
	_cleanup_strbuf_ struct strbuf joined = STRBUF_INIT;

	sources_add(&sources, text, deb822, "bookworm");
	for (size_t i = 0; i < sources.count; i++)
		strbuf_addf(&joined, "%s\n", sources.lines[i]);
	assert_string_equal(strbuf_text(&joined), expected);
}

static void test_sources(void **state)
{
	(void)state;
	assert_sources("deb http://m/debian bookworm main contrib\n"
		       "deb-src http://m/debian bookworm main\n"
		       "# deb http://n/debian bookworm main\n"
		       "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
		       "https://m/security bookworm-security main # all\n"
		       "deb [trusted=yes] http://evil/debian bookworm main\n"
		       "deb [signed-by=/etc/apt/x.gpg] http://x/debian bookworm main\n"
		       "deb http://docker/debian bookworm stable\n"
		       "deb http://m/debian trixie main\n"
		       "deb http://m/debian bookworm-backports main\n"
		       "deb cdrom:[Debian]/ bookworm main\n"
		       "deb file:/srv/debian bookworm main\n"
		       "deb\ndeb [\ndeb http://m/debian\n",
		       false,
		       "deb http://m/debian bookworm main\n"
		       "deb https://m/security bookworm-security main\n");
	assert_sources("Types: deb deb-src\nURIs: http://m/debian http://n/debian\n"
		       "Suites: bookworm\n bookworm-updates trixie\nComponents: main contrib\n\n"
		       "Types: deb\nURIs: http://o\nSuites: bookworm\nComponents: main\n"
		       "Enabled: no\n\n"
		       "types: deb\nuris: http://p\nsuites: bookworm\ncomponents: main\n"
		       "Trusted: yes\n\n"
		       "Types: deb\nURIs: http://q\nSuites: bookworm\nComponents: main\n"
		       "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n",
		       true,
		       "deb http://m/debian bookworm main\n"
		       "deb http://m/debian bookworm-updates main\n"
		       "deb http://n/debian bookworm main\n"
		       "deb http://n/debian bookworm-updates main\n");
}

static void test_apt_options(void **state)
{
	_cleanup_list_ char **options = debstrap_apt_options(
		"APT \"\";\nAcquire::http::Proxy \"http://p:3142\";\n"
		"Acquire::AllowInsecureRepositories \"1\";\nAcquire::Check-Valid-Until \"false\";\n"
		"DPkg::Pre-Invoke:: \"evil\";\n");

	(void)state;
	assert_string_equal(options[0], "Acquire::http::Proxy \"http://p:3142\";");
	assert_string_equal(options[1], "Acquire::Check-Valid-Until \"false\";");
	assert_null(options[2]);
}

/* --- descriptions --------------------------------------------------------------------------- */

static int parse(const char *text, struct description *description, struct error *err)
{
	const struct source source = {.file = "box.yaml", .text = text, .length = strlen(text)};

	return description_parse(&source, "box", description, err);
}

#define SUMMARY "summary: s\n"
#define SOURCE	SUMMARY "source: {url: https://x/y.qcow2, checksum: 'sha256:" A64 "'}\n"
#define RECIPE                                                            \
	SUMMARY "recipe: {suite: bookworm, size: 2G, packages: [dbus]}\n" \
		"kernel: {cmdline: root=/dev/vda}\n"

static void test_description(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_description_ struct description source = {0}, recipe = {0};

	(void)state;
	assert_int_equal(parse(SOURCE "format: raw\nlogin: debian\n", &source, &err), 0);
	assert_int_equal(source.format, IMAGE_RAW);
	assert_string_equal(source.firmware, "bios");
	assert_string_equal(source.login, "debian");
	assert_null(source.suite);
	assert_int_equal(parse(RECIPE, &recipe, &err), 0);
	assert_int_equal(recipe.size, UINT64_C(2) << 30);
	assert_string_equal(recipe.packages[0], "dbus");
	assert_string_equal(recipe.cmdline, "root=/dev/vda");
}

static void test_description_refused(void **state)
{
	static const struct {
		const char *text, *place, *message;
	} cases[] = {
		{"", "box.yaml:1:1", "empty"},
		{"[]\n", "box.yaml:1:1", "a mapping"},
		{"summary: s\n", "box.yaml:1:1", "either a source or a recipe"},
		{SOURCE "recipe: {}\n", "box.yaml:1:1", "either a source or a recipe"},
		{"source: {url: u, checksums: c}\n", "box.yaml:1:1", "summary is missing"},
		{SUMMARY "sorce: {}\n", "box.yaml:2:1", "unknown key 'sorce'"},
		{SUMMARY "source: {uri: x}\n", "box.yaml:2:10", "unknown key 'uri'"},
		{SUMMARY "source: []\n", "box.yaml:2:9", "source is a mapping, not a list"},
		{SUMMARY "source: {url: x}\n", "box.yaml:2:9", "either a checksum or"},
		{SUMMARY "source: {checksums: x}\n", "box.yaml:2:9", "has no url"},
		{SUMMARY "source: {url: x, checksum: 'md5:1'}\n", "box.yaml:2:28", "sha256:HEX"},
		{SUMMARY "source: {url: x, checksums: y, signature: z}\n", "box.yaml:2:9",
		 "go together"},
		{SOURCE "format: vmdk\n", "box.yaml:3:9", "qcow2 or raw"},
		{SOURCE "firmware: coreboot\n", "box.yaml:3:11", "bios or uefi"},
		{SOURCE "kernel: {cmdline: x}\n", "box.yaml:3:9", "only a recipe"},
		{RECIPE "firmware: bios\n", "box.yaml:2:9", "no firmware"},
		{SUMMARY "recipe: {suite: bookworm}\n", "box.yaml:2:9", "needs suite"},
		{SUMMARY "recipe: {suite: b, size: 1K, packages: []}\n", "box.yaml:2:26", "512M"},
		{SUMMARY "recipe: {packages: [--hook=x]}\n", "box.yaml:2:21", "not the name"},
		{SUMMARY "recipe: {packages: ['a,b']}\n", "box.yaml:2:21", "not the name"},
		{SUMMARY "recipe: {suite: '-x', size: 2G, packages: [ab]}\nkernel: {cmdline: c}\n",
		 "box.yaml:2:9", "name of a Debian release"},
		{"summary: s\nsummary: t\n", "box.yaml:2:1", "summary"},
		{"summary: &a s\n", "box.yaml:1:10", "anchors"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_description_ struct description description = {0};

		if (parse(cases[i].text, &description, &err) == 0)
			fail_msg("'%s' is accepted", cases[i].text);
		assert_int_equal(err.code, EX_CONFIG);
		assert_string_equal(err.place, cases[i].place);
		if (!strstr(err.message, cases[i].message))
			fail_msg("'%s' is not in '%s'", cases[i].message, err.message);
	}
}

/* Those that are installed with migrant. */
static void test_own_descriptions(void **state)
{
	static const char *const names[] = {
		"debian-12", "debian-12-cloud", "debian-13", "ubuntu-24.04", "arch", "fedora-44"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_description_ struct description description = {0};
		_cleanup_free_ char *path = text_format(SOURCE_DIR "/boxes/%s.yaml", names[i]);

		if (description_load(path, &description, &err) < 0)
			fail_msg("%s: %s", err.place, err.message);
		assert_string_equal(description.name, names[i]);
		assert_true(description.suite || text_starts(description.url, "https://"));
		assert_true(!description.checksums ||
			    text_starts(description.checksums, "https://"));
	}
}

static void test_debstrap_argv(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_description_ struct description description = {0};
	_cleanup_sources_ struct sources sources = {0};
	_cleanup_strbuf_ struct strbuf joined = STRBUF_INIT;
	static const char *const options[] = {"Acquire::ForceIPv4 \"true\";", NULL};
	const struct debstrap debstrap = {
		.description = &description,
		.scripts = "/nonexistent",
		.image_script = "/share/image.sh",
		.options = options,
		.sources = &sources,
	};
	_cleanup_list_ char **argv = NULL;

	(void)state;
	assert_int_equal(parse(RECIPE, &description, &err), 0);
	sources_add_default(&sources, "bookworm");
	argv = debstrap_argv(&debstrap);
	for (char **word = argv; *word; word++)
		if (!strstr(*word, "/proc/"))
			strbuf_addf(&joined, "%s\n", *word);
	assert_golden(strbuf_text(&joined), "box/mmdebstrap.argv");
}

/* --- manifests ------------------------------------------------------------------------------ */

static void example_box(struct box *box)
{
	*box = (struct box){
		.name = text_dup("debian-12"),
		.digest = text_dup(A64),
		.image = text_dup("base-" A64 ".qcow2"),
		.kernel = text_dup("kernel-" B64),
		.initrd = text_dup("initrd-" B64),
		.cmdline = text_dup("root=/dev/vda \"quoted\""),
		.format = text_dup("qcow2"),
		.virtual_size = UINT64_C(2) << 30,
		.stored_size = 12345678,
		.source = text_dup("built"),
		.created = text_dup("2026-01-01T00:00:00Z"),
	};
}

static void test_manifest(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_box_ struct box box = {0}, read = {0};
	_cleanup_free_ char *text = NULL;

	(void)state;
	example_box(&box);
	assert_int_equal(manifest_format(&box, &text, &err), 0);
	assert_int_equal(strlen(text), MANIFEST_SIZE);
	assert_int_equal(manifest_parse(text, &read, &err), 0);
	assert_string_equal(read.cmdline, box.cmdline);
	assert_string_equal(read.kernel, box.kernel);
	assert_null(read.firmware);
	assert_int_equal(read.virtual_size, box.virtual_size);
	assert_int_equal(read.stored_size, box.stored_size);
	assert_golden(text, "box/manifest.json");
}

static void test_manifest_too_long(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_box_ struct box box = {0};
	_cleanup_free_ char *text = NULL;

	(void)state;
	example_box(&box);
	free(box.source);
	box.source = xcalloc(MANIFEST_SIZE + 1, 1);
	memset(box.source, 'x', MANIFEST_SIZE);
	assert_int_equal(manifest_format(&box, &text, &err), -1);
	assert_null(text);
}

/* What another user of the pool may have written. */
static void test_manifest_refused(void **state)
{
	static const struct {
		size_t offset;
		const char *value;
	} cases[] = {
		{offsetof(struct box, name), "../x"},
		{offsetof(struct box, name), ""},
		{offsetof(struct box, digest), "abc"},
		{offsetof(struct box, digest), B64},
		{offsetof(struct box, image), "../../etc/shadow"},
		{offsetof(struct box, image), "base-" A64 "/../x"},
		{offsetof(struct box, image), "disk-" A64},
		{offsetof(struct box, kernel), "/etc/passwd"},
		{offsetof(struct box, initrd), "kernel-" B64},
		{offsetof(struct box, format), "vmdk"},
		{offsetof(struct box, firmware), "bios"},
		{offsetof(struct box, cmdline), NULL},
		{offsetof(struct box, created), NULL},
	};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct box read;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_box_ struct box box = {0};
		_cleanup_free_ char *text = NULL;

		example_box(&box);
		text_replace((char **)((char *)&box + cases[i].offset), cases[i].value);
		assert_int_equal(manifest_format(&box, &text, &err), 0);
		if (manifest_parse(text, &read, &err) == 0)
			fail_msg("case %zu is accepted", i);
		assert_int_equal(err.code, EX_DATAERR);
	}
	assert_int_equal(manifest_parse("", &read, &err), -1);
	assert_int_equal(manifest_parse("[]", &read, &err), -1);
	assert_int_equal(manifest_parse("{\"version\": 2}", &read, &err), -1);
	assert_int_equal(manifest_parse("{\"version\": 1, \"name\": 3}", &read, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_volume_base),
		cmocka_unit_test(test_volume_overlay),
		cmocka_unit_test(test_volume_parse),
		cmocka_unit_test(test_image_plain),
		cmocka_unit_test(test_image_overlay),
		cmocka_unit_test(test_image_numbers),
		cmocka_unit_test(test_image_extensions),
		cmocka_unit_test(test_image_lengths),
		cmocka_unit_test(test_image_other_formats),
		cmocka_unit_test(test_checksum_parse),
		cmocka_unit_test(test_checksum_find),
		cmocka_unit_test(test_digest_file),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_apt_options),
		cmocka_unit_test(test_description),
		cmocka_unit_test(test_description_refused),
		cmocka_unit_test(test_own_descriptions),
		cmocka_unit_test(test_debstrap_argv),
		cmocka_unit_test(test_manifest),
		cmocka_unit_test(test_manifest_too_long),
		cmocka_unit_test(test_manifest_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
