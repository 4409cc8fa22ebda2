/*
 * From a URL or file to a published box: first who vouches for it (a checksum the user or the
 * description wrote down, or a file of checksums over https, signed where the vendor signs), then
 * the bytes, then the look inside. Everything lies in nameless files of this user meanwhile.
 */
#include "box/fetch.h"

#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "box/checksum.h"
#include "box/download.h"
#include "box/manifest.h"
#include "box/publish.h"
#include "box/scratch.h"
#include "box/signature.h"

#define IMAGE_MAX     (UINT64_C(32) << 30)
#define CHECKSUMS_MAX (1 << 20)

void fetch_done(struct fetch *fetch)
{
	description_done(&fetch->description);
	free(fetch->image);
	free(fetch->default_name);
}

static bool is_url(const char *text)
{
	return strstr(text, "://") != NULL;
}

/* The last component of a URL's or file's path. The caller frees. */
static char *base_name(const char *image)
{
	size_t length = is_url(image) ? strcspn(image, "?#") : strlen(image);
	_cleanup_free_ char *path = text_dup_n(image, length);
	const char *slash = strrchr(path, '/');

	return text_dup(slash ? slash + 1 : path);
}

/* "noble-server" of "…/Noble-server.qcow2": in lower case, what is not a name's left out. */
static char *name_of_image(const char *image)
{
	static const char *const endings[] = {".qcow2", ".img", ".raw"};
	char *name = base_name(image);
	size_t length = 0;

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (text_ends(name, endings[i]))
			name[strlen(name) - strlen(endings[i])] = '\0';
	for (const char *at = name; *at; at++) {
		char c = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;

		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", c))
			name[length++] = c;
	}
	name[length] = '\0';
	return name;
}

static int resolve_image(struct fetch *fetch, const char *operand, struct error *err)
{
	fetch->image = text_dup(operand);
	fetch->default_name = name_of_image(operand);
	if (!fetch->name)
		fetch->name = fetch->default_name;
	if (!fetch->firmware)
		fetch->firmware = "bios";
	if (!box_name_is_valid(fetch->name))
		return error_set(err, EX_USAGE, "'%s' is not the name of a box: give one by --name",
				 fetch->name);
	if (!fetch->checksum) {
		error_set(err, EX_USAGE, "nobody vouches for %s", operand);
		return error_hint(err, "--checksum sha256:HEX, or the URL of the vendor's file of "
				       "checksums");
	}
	return 0;
}

static int resolve_description(struct fetch *fetch, const char *operand, struct error *err)
{
	const struct description *description = &fetch->description;

	if (description_load(operand, &fetch->description, err) < 0)
		return -1;
	if (description->suite) {
		error_set(err, EX_USAGE, "the box '%s' is built, not fetched", description->name);
		return error_hint(err, "run: migrant box build %s", operand);
	}
	if (fetch->checksum || fetch->firmware || fetch->format != IMAGE_QCOW2)
		return error_set(err, EX_USAGE,
				 "%s has a description, which says checksum, format and firmware",
				 description->name);
	if (!fetch->name)
		fetch->name = description->name;
	if (!box_name_is_valid(fetch->name))
		return error_set(err, EX_USAGE, "'%s' is not the name of a box", fetch->name);
	fetch->described = true;
	fetch->image = text_dup(description->url);
	fetch->format = description->format;
	fetch->firmware = description->firmware;
	return 0;
}

int fetch_resolve(struct fetch *fetch, const char *operand, struct error *err)
{
	bool is_description = text_ends(operand, ".yaml") || text_ends(operand, ".yml");
	struct stat status;

	if (is_url(operand))
		return resolve_image(fetch, operand, err);
	if (!is_description && (strchr(operand, '/') || stat(operand, &status) == 0))
		return resolve_image(fetch, operand, err);
	return resolve_description(fetch, operand, err);
}

static int obtain(const char *image, uint64_t max, const char *what, int fd, struct error *err)
{
	const struct download download = {.url = image, .max = max, .what = what};

	return is_url(image) ? download_url(&download, fd, err)
			     : download_file(image, max, fd, err);
}

/* True for an address from which nobody on the way can have changed the bytes. */
static bool is_trustworthy(const char *url)
{
	static const char *const prefixes[] = {
		"https://", "file://", "http://127.0.0.1:", "http://localhost:", "http://[::1]:"};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncasecmp(url, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return !is_url(url);
}

static int read_checksums(const struct fetch *fetch, const char *url, struct strbuf *text,
			  struct error *err)
{
	const struct description *description = &fetch->description;
	_cleanup_close_ int fd = scratch_file(err);

	if (!is_trustworthy(url)) {
		error_set(err, EX_USAGE,
			  "%s comes without encryption: whoever changes the image changes it, too",
			  url);
		return error_hint(err, "use https, or --checksum sha256:HEX");
	}
	if (fd < 0 || obtain(url, CHECKSUMS_MAX, NULL, fd, err) < 0)
		return -1;
	return signature_check(fd, description, CHECKSUMS_MAX, text, err);
}

/* The digest that the image must have. */
static int expect(const struct fetch *fetch, struct digest *ret_digest, struct error *err)
{
	const struct description *description = &fetch->description;
	const char *text = description->checksum ? description->checksum : fetch->checksum;
	const char *url = description->checksums ? description->checksums : fetch->checksum;
	_cleanup_strbuf_ struct strbuf checksums = STRBUF_INIT;
	_cleanup_free_ char *file = base_name(fetch->image);

	if (text && checksum_parse(text, ret_digest) == 0)
		return 0;
	if (!url)
		return error_set(err, EX_USAGE, "an image needs a checksum");
	if (text_starts(url, "sha256:") || text_starts(url, "sha512:"))
		return error_set(err, EX_USAGE, "'%s' is not sha256: or sha512: and all its digits",
				 url);
	if (read_checksums(fetch, url, &checksums, err) < 0)
		return error_prefix(err, "cannot get the checksum");
	if (memchr(strbuf_text(&checksums), '\0', checksums.length))
		return error_set(err, EX_DATAERR, "%s is not a text", url);
	if (checksum_find(strbuf_text(&checksums), file, ret_digest, err) < 0)
		return error_prefix(err, "%s", url);
	return 0;
}

static int verify(int fd, const struct digest *expected, const char *image, struct error *err)
{
	struct digest digest;
	uint64_t length;

	if (digest_file(fd, expected->kind, &digest, &length, err) < 0)
		return -1;
	if (digest_equal(&digest, expected))
		return 0;
	error_set(err, EX_DATAERR, "%s has a wrong checksum: %s:%s (%llu bytes), expected %s",
		  image, digest_name(digest.kind), digest.text, (unsigned long long)length,
		  expected->text);
	return error_hint(err, "truncated, changed, or the checksum of something else; nothing was "
			       "installed");
}

int box_fetch(virStoragePoolPtr pool, const struct fetch *fetch, struct box *ret_box,
	      struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct publication publication = {
		.name = fetch->name,
		.format = fetch->format,
		.kernel = -1,
		.initrd = -1,
		.firmware = fetch->firmware,
		.source = fetch->image,
		.replace = fetch->replace || fetch->described,
	};
	struct digest expected;

	if (expect(fetch, &expected, err) < 0 || (fd = scratch_file(err)) < 0 ||
	    obtain(fetch->image, IMAGE_MAX, "fetching the image", fd, err) < 0 ||
	    verify(fd, &expected, fetch->image, err) < 0)
		return -1;
	if (image_inspect(fd, fetch->format, &publication.virtual_size, err) < 0)
		return error_prefix(err, "%s", fetch->image);
	publication.image = fd;
	return box_publish(pool, &publication, ret_box, err);
}
