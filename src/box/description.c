/*
 * The grammar of a box description. It decides what is fetched, trusted and booted, so it is read
 * as strictly as a Migrantfile: a key that is not understood is refused, with its place.
 */
#include "box/description.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "base/version.h"
#include "box/checksum.h"
#include "box/manifest.h"

#define BOXES_DIRECTORY MIGRANT_DATADIR "/boxes"
#define RECIPE_SIZE_MIN (UINT64_C(512) << 20)
#define RECIPE_SIZE_MAX (UINT64_C(64) << 30)
#define PACKAGES_MAX	512

enum map { MAP_TOP, MAP_KERNEL, MAP_SOURCE, MAP_RECIPE };

struct reader {
	const struct source *source;
	struct description *description;
	const struct node *maps[4]; /* by enum map; NULL: not there */
};

typedef int read_function(const struct reader *reader, const struct node *node, struct error *err);

static read_function read_format, read_firmware, read_size, read_packages, read_checksum;

/* One row a key: a text goes to @offset unless a function reads it. */
static const struct key {
	enum map map;
	const char *name;
	size_t offset;
	read_function *read;
} keys[] = {
	{MAP_TOP, "summary", offsetof(struct description, summary), NULL},
	{MAP_TOP, "login", offsetof(struct description, login), NULL},
	{MAP_TOP, "format", 0, read_format},
	{MAP_TOP, "firmware", offsetof(struct description, firmware), read_firmware},
	{MAP_KERNEL, "cmdline", offsetof(struct description, cmdline), NULL},
	{MAP_SOURCE, "url", offsetof(struct description, url), NULL},
	{MAP_SOURCE, "checksum", offsetof(struct description, checksum), read_checksum},
	{MAP_SOURCE, "checksums", offsetof(struct description, checksums), NULL},
	{MAP_SOURCE, "signature", offsetof(struct description, signature), NULL},
	{MAP_SOURCE, "keyring", offsetof(struct description, keyring), NULL},
	{MAP_SOURCE, "package", offsetof(struct description, package), NULL},
	{MAP_RECIPE, "suite", offsetof(struct description, suite), NULL},
	{MAP_RECIPE, "size", 0, read_size},
	{MAP_RECIPE, "packages", 0, read_packages},
};

static const char *const map_names[] = {[MAP_TOP] = NULL,
					[MAP_KERNEL] = "kernel",
					[MAP_SOURCE] = "source",
					[MAP_RECIPE] = "recipe"};

void description_done(struct description *description)
{
	free(description->name);
	free(description->file);
	free(description->summary);
	free(description->login);
	free(description->firmware);
	free(description->cmdline);
	free(description->url);
	free(description->checksum);
	free(description->checksums);
	free(description->signature);
	free(description->keyring);
	free(description->package);
	free(description->suite);
	free_list(description->packages);
	*description = (struct description){0};
}

static char **slot(struct description *description, const struct key *key)
{
	return (char **)((char *)description + key->offset);
}

static int read_text(const struct reader *reader, const struct key *key, const struct node *node,
		     struct error *err)
{
	if (!node->length || strchr(node->text, '\n'))
		return source_error(reader->source, node->position, err, "%s is one line of text",
				    key->name);
	*slot(reader->description, key) = text_dup(node->text);
	return 0;
}

static int read_format(const struct reader *reader, const struct node *node, struct error *err)
{
	if (!text_equal(node->text, "qcow2") && !text_equal(node->text, "raw"))
		return source_error(reader->source, node->position, err,
				    "format is qcow2 or raw, not '%s'", node->text);
	reader->description->format = node->text[0] == 'r' ? IMAGE_RAW : IMAGE_QCOW2;
	return 0;
}

static int read_firmware(const struct reader *reader, const struct node *node, struct error *err)
{
	if (!text_equal(node->text, "bios") && !text_equal(node->text, "uefi"))
		return source_error(reader->source, node->position, err,
				    "firmware is bios or uefi, not '%s'", node->text);
	reader->description->firmware = text_dup(node->text);
	return 0;
}

static int read_size(const struct reader *reader, const struct node *node, struct error *err)
{
	uint64_t size;

	if (parse_size(node->text, &size) < 0 || size < RECIPE_SIZE_MIN || size > RECIPE_SIZE_MAX ||
	    size % (1 << 20))
		return source_error(reader->source, node->position, err,
				    "size is from 512M to 64G, not '%s'", node->text);
	reader->description->size = size;
	return 0;
}

static int read_checksum(const struct reader *reader, const struct node *node, struct error *err)
{
	struct digest digest;

	if (checksum_parse(node->text, &digest) < 0)
		return source_error(reader->source, node->position, err,
				    "checksum is sha256:HEX or sha512:HEX");
	reader->description->checksum = text_dup(node->text);
	return 0;
}

/* Debian policy §5.6.1; what is not a name of a package could be an option of mmdebstrap. */
static bool package_is_valid(const char *name)
{
	size_t length = strlen(name);

	return length > 1 && name[0] != '-' && name[0] != '+' && name[0] != '.' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == length;
}

static int read_packages(const struct reader *reader, const struct node *node, struct error *err)
{
	char **packages = xcalloc(node->count + 1, sizeof(*packages));

	reader->description->packages = packages;
	if (node->count > PACKAGES_MAX)
		return source_error(reader->source, node->position, err, "more than %d packages",
				    PACKAGES_MAX);
	for (size_t i = 0; i < node->count; i++) {
		const struct node *item = node->items[i];

		if (item->kind != NODE_TEXT || !package_is_valid(item->text))
			return source_error(reader->source, item->position, err,
					    "this is not the name of a package");
		packages[i] = text_dup(item->text);
	}
	return 0;
}

static const struct key *find_key(enum map map, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].map == map && text_equal(keys[i].name, name))
			return &keys[i];
	return NULL;
}

static int unknown_key(const struct reader *reader, enum map map, const struct node *name,
		       struct error *err)
{
	const char *guess = NULL;
	size_t best = 3;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		size_t distance = text_distance(name->text, keys[i].name);

		if (keys[i].map == map && distance < best) {
			best = distance;
			guess = keys[i].name;
		}
	}
	source_error(reader->source, name->position, err, "unknown key '%s'", name->text);
	return guess ? error_hint(err, "did you mean '%s'?", guess) : -1;
}

static enum map find_map(const char *name)
{
	for (size_t i = 1; i < ARRAY_SIZE(map_names); i++)
		if (text_equal(map_names[i], name))
			return (enum map)i;
	return MAP_TOP;
}

static int read_key(const struct reader *reader, const struct key *key, const struct node *node,
		    struct error *err)
{
	enum node_kind wanted = key->read == read_packages ? NODE_LIST : NODE_TEXT;

	if (node->kind != wanted)
		return source_error(reader->source, node->position, err, "%s is %s, not %s",
				    key->name, node_kind_text(wanted), node_kind_text(node->kind));
	return key->read ? key->read(reader, node, err) : read_text(reader, key, node, err);
}

static int read_map(struct reader *reader, enum map map, const struct node *node, struct error *err)
{
	if (node->kind != NODE_MAP)
		return source_error(reader->source, node->position, err, "%s is a mapping, not %s",
				    map_names[map] ? map_names[map] : "a box description",
				    node_kind_text(node->kind));
	reader->maps[map] = node;
	for (size_t i = 0; i < node->count; i++) {
		const struct node *name = node->keys[i];
		const struct key *key = find_key(map, name->text);
		enum map inner = map == MAP_TOP ? find_map(name->text) : MAP_TOP;

		if (inner != MAP_TOP) {
			if (read_map(reader, inner, node->items[i], err) < 0)
				return -1;
			continue;
		}
		if (!key)
			return unknown_key(reader, map, name, err);
		if (read_key(reader, key, node->items[i], err) < 0)
			return -1;
	}
	return 0;
}

static int complain(const struct reader *reader, enum map map, struct error *err, const char *text)
{
	const struct node *node = reader->maps[map];

	return source_error(reader->source, node ? node->position : (struct position){1, 1}, err,
			    "%s", text);
}

static int check_source(const struct reader *reader, struct error *err)
{
	const struct description *d = reader->description;

	if (reader->maps[MAP_KERNEL])
		return complain(reader, MAP_KERNEL, err, "only a recipe has a kernel of its own");
	if (!d->url)
		return complain(reader, MAP_SOURCE, err, "source has no url");
	if (!d->checksum == !d->checksums)
		return complain(reader, MAP_SOURCE, err,
				"source needs either a checksum or the URL of checksums");
	if (!d->signature != !d->keyring || (d->signature && !d->checksums))
		return complain(reader, MAP_SOURCE, err,
				"signature and keyring go together, and with checksums");
	return 0;
}

static int check_recipe(const struct reader *reader, struct error *err)
{
	const struct description *d = reader->description;

	if (!d->suite || !d->packages || !d->size)
		return complain(reader, MAP_RECIPE, err, "recipe needs suite, size and packages");
	if (strspn(d->suite, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(d->suite) ||
	    d->suite[0] == '-')
		return complain(reader, MAP_RECIPE, err, "suite is the name of a Debian release");
	if (!d->cmdline)
		return complain(reader, MAP_RECIPE, err, "a recipe needs kernel: {cmdline: …}");
	if (d->firmware || d->format != IMAGE_QCOW2)
		return complain(
			reader, MAP_RECIPE, err,
			"a recipe makes a qcow2 that boots by its kernel: no firmware, format");
	return 0;
}

static int check(const struct reader *reader, struct error *err)
{
	struct description *d = reader->description;

	if (!d->summary)
		return complain(reader, MAP_TOP, err, "summary is missing");
	if (!reader->maps[MAP_SOURCE] == !reader->maps[MAP_RECIPE])
		return complain(reader, MAP_TOP, err, "a box has either a source or a recipe");
	if (reader->maps[MAP_RECIPE])
		return check_recipe(reader, err);
	if (!d->firmware)
		d->firmware = text_dup("bios");
	return check_source(reader, err);
}

int description_parse(const struct source *source, const char *name,
		      struct description *ret_description, struct error *err)
{
	_cleanup_description_ struct description description = {0};
	_cleanup_node_ struct node *root = NULL;
	struct reader reader = {.source = source, .description = &description};

	if (node_parse(source, &root, err) < 0)
		return -1;
	if (!root)
		return source_error(source, (struct position){1, 1}, err, "it is empty");
	if (read_map(&reader, MAP_TOP, root, err) < 0 || check(&reader, err) < 0)
		return -1;
	description.name = text_dup(name);
	description.file = text_dup(source->file);
	*ret_description = description;
	description = (struct description){0};
	return 0;
}

static bool is_path(const char *name)
{
	return strchr(name, '/') || text_ends(name, ".yaml") || text_ends(name, ".yml");
}

/* "debian-12" of "boxes/debian-12.yaml". The caller frees. */
static char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	size_t length = strlen(base);

	if (text_ends(base, ".yaml"))
		length -= strlen(".yaml");
	else if (text_ends(base, ".yml"))
		length -= strlen(".yml");
	return text_dup_n(base, length);
}

static int unknown_box(const char *name, struct error *err)
{
	_cleanup_list_ char **names = description_names();
	_cleanup_strbuf_ struct strbuf known = STRBUF_INIT;
	const char *guess = NULL;

	for (char **entry = names; *entry; entry++) {
		strbuf_addf(&known, "%s%s", known.length ? ", " : "", *entry);
		if (text_distance(name, *entry) < 3)
			guess = *entry;
	}
	error_set(err, EX_NOINPUT, "there is no box '%s'", name);
	if (guess)
		return error_hint(err, "did you mean '%s'?", guess);
	return error_hint(err, "known boxes: %s; or the path of a description",
			  known.length ? known.text : "none are installed in " BOXES_DIRECTORY);
}

int description_load(const char *name, struct description *ret_description, struct error *err)
{
	_cleanup_free_ char *path =
		is_path(name) ? text_dup(name) : text_format(BOXES_DIRECTORY "/%s.yaml", name);
	_cleanup_free_ char *box_name = name_of(path);
	_cleanup_free_ char *text = NULL;
	struct source source = {.file = path};

	if (!box_name_is_valid(box_name))
		return error_set(err, EX_NOINPUT, "'%s' is not the name of a box", box_name);
	if (file_read(AT_FDCWD, path, SOURCE_SIZE_MAX, &text, &source.length, err) < 0)
		return err->code == EX_NOINPUT && !is_path(name) ? unknown_box(name, err) : -1;
	source.text = text;
	return description_parse(&source, box_name, ret_description, err);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **description_names(void)
{
	_cleanup_closedir_ DIR *directory = opendir(BOXES_DIRECTORY);
	char **names = xcalloc(1, sizeof(*names));
	struct dirent *entry;
	size_t count = 0;

	while (directory && (entry = readdir(directory))) {
		if (!text_ends(entry->d_name, ".yaml"))
			continue;
		names = xreallocarray(names, count + 2, sizeof(*names));
		names[count++] = name_of(entry->d_name);
		names[count] = NULL;
	}
	qsort(names, count, sizeof(*names), by_name);
	return names;
}
