/*
 * Why this exists: an image can name other files of the host (backing file, external data file),
 * and qemu-img itself has followed such names while only asked what an image is (CVE-2024-4467). So
 * the header is parsed here, by a whitelist, and QEMU's tools see only what passed, with the format
 * given and limits on memory and time.
 *
 * The format: https://gitlab.com/qemu-project/qemu/-/blob/master/docs/interop/qcow2.rst
 */
#include "box/inspect.h"

#include <json-c/json.h>
#include <string.h>
#include <sys/stat.h>

#include "base/process.h"
#include "base/text.h"

#define QCOW2_VERSION_2_HEADER 72
#define QCOW2_VERSION_3_HEADER 104
#define QCOW2_L1_MAX	       (UINT64_C(32) << 20) /* bytes; QEMU's own limit */
#define SECTOR		       512

/* Incompatible features (bytes 72 to 79 of a version 3 header). */
#define FEATURE_DIRTY	    UINT64_C(1)
#define FEATURE_CORRUPT	    UINT64_C(2)
#define FEATURE_DATA_FILE   UINT64_C(4)
#define FEATURE_COMPRESSION UINT64_C(8)
#define FEATURE_EXTENDED_L2 UINT64_C(16)
#define FEATURES_ALLOWED    (FEATURE_COMPRESSION | FEATURE_EXTENDED_L2)

enum extension {
	EXTENSION_END = 0,
	EXTENSION_BACKING_FORMAT = 0xe2792aca,
	EXTENSION_FEATURE_NAMES = 0x6803f857,
	EXTENSION_BITMAPS = 0x23852875,
	EXTENSION_ENCRYPTION = 0x0537be77,
	EXTENSION_DATA_FILE = 0x44415441,
};

static const struct {
	const char *magic;
	size_t length;
	const char *name;
} magics[] = {
	{"QFI\xfb", 4, "a qcow2 image"},
	{"KDMV", 4, "a VMware (vmdk) image"},
	{"COWD", 4, "a VMware (vmdk) image"},
	{"# Disk DescriptorFile", 21, "a VMware (vmdk) image"},
	{"<<< ", 4, "a VirtualBox (vdi) image"},
	{"vhdxfile", 8, "a Hyper-V (vhdx) image"},
	{"conectix", 8, "a Virtual PC (vhd) image"},
	{"QED\0", 4, "a QED image"},
	{"OOOM", 4, "a Mac OS cow image"},
	{"LUKS\xba\xbe", 6, "an encrypted (LUKS) image"},
	{"WithoutFreeSpace", 16, "a Parallels image"},
	{"WithouFreSpacExt", 16, "a Parallels image"},
	{"\x1f\x8b", 2, "a gzip file"},
	{"\xfd"
	 "7zXZ\0",
	 6, "an xz file"},
	{"BZh", 3, "a bzip2 file"},
	{"\x28\xb5\x2f\xfd", 4, "a zstd file"},
	{"PK\x03\x04", 4, "a zip file"},
	{"7z\xbc\xaf\x27\x1c", 6, "a 7-Zip file"},
	{"<!DOCTYPE", 9, "a web page"},
	{"<html", 5, "a web page"},
};

struct header {
	const unsigned char *bytes;
	size_t length;
	uint64_t stored;
	const char *backing; /* the one backing file that it must have, or NULL: none */
};

static uint32_t read32(const struct header *header, size_t at)
{
	const unsigned char *b = header->bytes + at;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint64_t read64(const struct header *header, size_t at)
{
	return (uint64_t)read32(header, at) << 32 | read32(header, at + 4);
}

const char *image_format_name(enum image_format format)
{
	return format == IMAGE_RAW ? "raw" : "qcow2";
}

/* What the bytes are by their magic, or NULL. */
static const char *recognise(const struct header *header)
{
	for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
		if (header->length >= magics[i].length &&
		    memcmp(header->bytes, magics[i].magic, magics[i].length) == 0)
			return magics[i].name;
	return NULL;
}

static int refuse(struct error *err, const char *reason)
{
	return error_set(err, EX_DATAERR, "the image is refused: %s", reason);
}

static int check_virtual_size(uint64_t size, struct error *err)
{
	if (size == 0 || size % SECTOR)
		return refuse(err, "its virtual size is not a number of sectors");
	if (size > IMAGE_VIRTUAL_MAX)
		return error_set(err, EX_DATAERR,
				 "the image is refused: its virtual size is %llu GiB, more than "
				 "%llu GiB",
				 (unsigned long long)(size >> 30),
				 (unsigned long long)(IMAGE_VIRTUAL_MAX >> 30));
	return 0;
}

static int check_features(const struct header *header, struct error *err)
{
	uint64_t features = read64(header, 72);

	if (features & FEATURE_DATA_FILE)
		return refuse(err, "its data lies in an external data file");
	if (features & (FEATURE_DIRTY | FEATURE_CORRUPT))
		return refuse(err, "it was not closed cleanly or is damaged");
	if (features & ~FEATURES_ALLOWED)
		return refuse(err, "it uses features that are unknown here");
	return 0;
}

static int check_extension(const struct header *header, uint32_t type, struct error *err)
{
	if (type == EXTENSION_BACKING_FORMAT && header->backing)
		return 0;
	switch (type) {
	case EXTENSION_FEATURE_NAMES:
		return 0;
	case EXTENSION_DATA_FILE:
		return refuse(err, "its data lies in an external data file");
	case EXTENSION_BACKING_FORMAT:
		return refuse(err, "it has a backing file");
	case EXTENSION_ENCRYPTION:
		return refuse(err, "it is encrypted");
	case EXTENSION_BITMAPS:
		return refuse(err, "it holds dirty bitmaps");
	default:
		return refuse(err, "it uses a header extension that is unknown here");
	}
}

/* Walks the extensions, which end with a zero type or, at the latest, with the first cluster. */
static int check_extensions(const struct header *header, size_t at, size_t end, struct error *err)
{
	while (at + 8 <= end) {
		uint32_t type = read32(header, at);
		uint32_t length = read32(header, at + 4);

		if (type == EXTENSION_END)
			return 0;
		if (length > end - at - 8)
			return refuse(err, "its header is cut off");
		if (check_extension(header, type, err) < 0)
			return -1;
		at += 8 + ((size_t)length + 7) / 8 * 8;
	}
	return 0;
}

/* A table of @bytes at @offset: on a cluster's begin, inside of the file. */
static bool table_fits(const struct header *header, uint64_t offset, uint64_t bytes,
		       unsigned int cluster_bits)
{
	return (offset & ((UINT64_C(1) << cluster_bits) - 1)) == 0 && offset != 0 &&
	       offset <= header->stored && bytes <= header->stored - offset;
}

static int check_tables(const struct header *header, unsigned int cluster_bits, struct error *err)
{
	uint64_t l1_bytes = (uint64_t)read32(header, 36) * 8;
	uint64_t refcount_bytes = (uint64_t)read32(header, 56) << cluster_bits;

	if (l1_bytes > QCOW2_L1_MAX || refcount_bytes > QCOW2_L1_MAX)
		return refuse(err, "its tables are absurdly large");
	if ((l1_bytes && !table_fits(header, read64(header, 40), l1_bytes, cluster_bits)) ||
	    !table_fits(header, read64(header, 48), refcount_bytes, cluster_bits))
		return refuse(err, "it is truncated or damaged: its tables lie outside of it");
	return 0;
}

/* Length of the header proper, after which the extensions come; 0 when it is out of range. */
static size_t header_length(const struct header *header, uint32_t version)
{
	uint32_t length = QCOW2_VERSION_2_HEADER;

	if (version == 3) {
		if (header->length < QCOW2_VERSION_3_HEADER)
			return 0;
		length = read32(header, 100);
		if (length < QCOW2_VERSION_3_HEADER || length % 8 || length > header->length)
			return 0;
	}
	return length;
}

static bool has_backing(const struct header *header, const char *path)
{
	uint64_t offset = read64(header, 8);
	size_t length = read32(header, 16);

	return length == strlen(path) && offset <= header->length &&
	       length <= header->length - offset &&
	       memcmp(header->bytes + offset, path, length) == 0;
}

static int check_references(const struct header *header, struct error *err)
{
	if (header->backing && !has_backing(header, header->backing))
		return refuse(err, "it does not lie over what it should");
	if (!header->backing && (read64(header, 8) || read32(header, 16)))
		return refuse(err, "it has a backing file");
	if (read32(header, 32))
		return refuse(err, "it is encrypted");
	if (read32(header, 60))
		return refuse(err, "it holds internal snapshots");
	return 0;
}

static int check_qcow2(const struct header *header, uint64_t *ret_virtual_size, struct error *err)
{
	const char *other = recognise(header);
	uint32_t version, cluster_bits;
	size_t length, end;

	if (header->length < QCOW2_VERSION_2_HEADER || memcmp(header->bytes, "QFI\xfb", 4) != 0)
		return error_set(err, EX_DATAERR, "the image is refused: it is %s, not qcow2",
				 other ? other : "an unknown or raw image");
	version = read32(header, 4);
	cluster_bits = read32(header, 20);
	length = header_length(header, version);
	if ((version != 2 && version != 3) || cluster_bits < 9 || cluster_bits > 21 || !length)
		return refuse(err, "its header is of an unknown version or damaged");
	if (check_references(header, err) < 0 || (version == 3 && check_features(header, err) < 0))
		return -1;
	end = (size_t)1 << cluster_bits;
	if (end > header->length)
		end = header->length;
	if (check_extensions(header, length, end, err) < 0 ||
	    check_tables(header, cluster_bits, err) < 0 ||
	    check_virtual_size(read64(header, 24), err) < 0)
		return -1;
	*ret_virtual_size = read64(header, 24);
	return 0;
}

/* Raw is what somebody says it is; what looks like something else was probably meant to be that. */
static int check_raw(const struct header *header, uint64_t *ret_virtual_size, struct error *err)
{
	const char *other = recognise(header);

	if (other)
		return error_set(err, EX_DATAERR, "the image is refused: it is %s, not raw", other);
	if (check_virtual_size(header->stored, err) < 0)
		return -1;
	*ret_virtual_size = header->stored;
	return 0;
}

int image_check_header(const void *bytes, size_t length, uint64_t stored, enum image_format format,
		       uint64_t *ret_virtual_size, struct error *err)
{
	const struct header header = {bytes, length, stored, NULL};

	if (format == IMAGE_RAW)
		return check_raw(&header, ret_virtual_size, err);
	return check_qcow2(&header, ret_virtual_size, err);
}

int image_check_overlay(const void *bytes, size_t length, uint64_t stored, const char *backing,
			uint64_t *ret_virtual_size, struct error *err)
{
	const struct header header = {bytes, length, stored, backing};

	return check_qcow2(&header, ret_virtual_size, err);
}

/* Runs `qemu-img info` with 1 GiB of address space and 20 s of CPU time. */
static int ask_qemu(int fd, struct strbuf *output, struct error *err)
{
	_cleanup_free_ char *path = text_format("/proc/%d/fd/%d", (int)getpid(), fd);
	const char *const argv[] = {
		"prlimit", "--as=1073741824", "--cpu=20",      "--core=0", "--", "qemu-img",
		"info",	   "--format=qcow2",  "--output=json", path,	   NULL};
	struct process process = PROCESS_INIT;

	process.argv = argv;
	process.timeout = 60;
	if (process_capture(&process, 1 << 20, output, err) < 0)
		return error_prefix(err, "the image is refused");
	return 0;
}

static bool has(struct json_object *object, const char *key)
{
	return json_object_object_get_ex(object, key, NULL);
}

/* What our own reading of the header should have found already; the second look is QEMU's. */
static int check_answer(const char *text, uint64_t virtual_size, struct error *err)
{
	struct json_object *answer = json_tokener_parse(text);
	struct json_object *size = NULL;
	int result = 0;

	if (!json_object_is_type(answer, json_type_object) ||
	    !json_object_object_get_ex(answer, "virtual-size", &size) ||
	    json_object_get_uint64(size) != virtual_size)
		result = refuse(err, "qemu-img sees something else in it");
	else if (has(answer, "backing-filename") || has(answer, "full-backing-filename") ||
		 has(answer, "encrypted") || has(answer, "snapshots"))
		result = refuse(err, "it refers to something outside of it");
	json_object_put(answer);
	return result;
}

int image_inspect(int fd, enum image_format format, uint64_t *ret_virtual_size, struct error *err)
{
	_cleanup_free_ char *bytes = xcalloc(1, IMAGE_HEADER_MAX);
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
	ssize_t got = pread(fd, bytes, IMAGE_HEADER_MAX, 0);
	uint64_t virtual_size;
	struct stat status;

	if (got < 0 || fstat(fd, &status) < 0)
		return error_errno(err, EX_IOERR, "cannot read the image");
	if (image_check_header(bytes, (size_t)got, (uint64_t)status.st_size, format, &virtual_size,
			       err) < 0)
		return -1;
	if (format == IMAGE_QCOW2 && (ask_qemu(fd, &answer, err) < 0 ||
				      check_answer(strbuf_text(&answer), virtual_size, err) < 0))
		return -1;
	*ret_virtual_size = virtual_size;
	return 0;
}
