/*
 * From a recipe to a published box. Everything lies in nameless files until the finished image has
 * passed the same inspection as one that comes from the net.
 */
#include "box/build.h"

#include <fcntl.h>
#include <dirent.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "base/version.h"
#include "box/debstrap.h"
#include "box/publish.h"
#include "box/scratch.h"
#include "box/sources.h"

#define IMAGE_SCRIPT	MIGRANT_DATADIR "/boxes/image.sh"
#define SOURCES_MAX	(1 << 20)
#define CONVERT_TIMEOUT 1800 /* seconds */

struct build {
	const struct description *description;
	int root; /* ext4, raw */
	int image;
	int kernel, initrd;
};

static int need(const char *program, const char *package, struct error *err)
{
	_cleanup_free_ char *path = process_find(program);

	if (path)
		return 0;
	error_set(err, EX_UNAVAILABLE, "%s, which builds boxes, is not installed", program);
	return error_hint(err, "sudo apt install %s", package);
}

/* True when @path (subuid(5) or subgid(5)) gives the user a range. */
static bool has_range(const char *path, const char *user)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *by_id = text_format("%u:", (unsigned int)getuid());
	_cleanup_free_ char *by_name = text_format("%s:", user);

	if (file_read(AT_FDCWD, path, SOURCES_MAX, &text, NULL, &ignored) < 0)
		return false;
	for (const char *line = text; *line; line += *line == '\n') {
		if (text_starts(line, by_id) || text_starts(line, by_name))
			return true;
		line += strcspn(line, "\n");
	}
	return false;
}

/* A user namespace with a range of ids is what an unprivileged build runs in. */
static int check_namespaces(struct error *err)
{
	const struct passwd *user = getpwuid(getuid());
	const char *name = user ? user->pw_name : "";

	if (getuid() == 0)
		return 0;
	if (need("newuidmap", "uidmap", err) < 0)
		return -1;
	if (has_range("/etc/subuid", name) && has_range("/etc/subgid", name))
		return 0;
	error_set(err, EX_UNAVAILABLE, "%s has no range of subordinate ids, which building needs",
		  *name ? name : "this user");
	return error_hint(err,
			  "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s",
			  name);
}

int box_build_check(struct error *err)
{
	if (need("mmdebstrap", "mmdebstrap", err) < 0 || need("mkfs.ext4", "e2fsprogs", err) < 0 ||
	    need("qemu-img", "qemu-utils", err) < 0)
		return -1;
	if (access(DEBIAN_KEYRING, R_OK) < 0) {
		error_set(err, EX_UNAVAILABLE,
			  "the keys that Debian signs its packages with are not installed");
		return error_hint(err, "sudo apt install debian-archive-keyring");
	}
	if (access(IMAGE_SCRIPT, X_OK) < 0)
		return error_set(err, EX_UNAVAILABLE, IMAGE_SCRIPT " is not installed");
	return check_namespaces(err);
}

static void add_source_file(struct sources *sources, const char *path, const char *suite)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_free_ char *text = NULL;

	if (file_read(AT_FDCWD, path, SOURCES_MAX, &text, NULL, &ignored) == 0)
		sources_add(sources, text, text_ends(path, ".sources"), suite);
}

/* This host's own mirrors where it has some for the suite, else Debian's. */
static void find_sources(struct sources *sources, const char *suite)
{
	static const char directory[] = "/etc/apt/sources.list.d";
	_cleanup_closedir_ DIR *dir = opendir(directory);
	struct dirent *entry;

	add_source_file(sources, "/etc/apt/sources.list", suite);
	while (dir && (entry = readdir(dir))) {
		_cleanup_free_ char *path = text_format("%s/%s", directory, entry->d_name);

		if (text_ends(path, ".list") || text_ends(path, ".sources"))
			add_source_file(sources, path, suite);
	}
	if (!sources->count)
		sources_add_default(sources, suite);
}

static char **find_apt_options(void)
{
	static const char *const argv[] = {"apt-config", "dump", NULL};
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf dump = STRBUF_INIT;
	struct process process = PROCESS_INIT;

	process.argv = argv;
	process.timeout = 30;
	if (process_capture(&process, SOURCES_MAX, &dump, &ignored) < 0)
		return NULL; /* no apt: no options of its own */
	return debstrap_apt_options(strbuf_text(&dump));
}

/* "/…/debian-12" beside "debian-12.yaml": mmdebstrap runs hooks elsewhere. The caller frees. */
static char *scripts_directory(const struct description *description)
{
	const char *file = description->file;
	int length = (int)(strrchr(file, '.') - file);
	_cleanup_free_ char *here = file[0] == '/' ? NULL : getcwd(NULL, 0);

	return here ? text_format("%s/%.*s", here, length, file)
		    : text_format("%.*s", length, file);
}

static int make_root(const struct build *build, struct error *err)
{
	_cleanup_free_ char *scripts = scripts_directory(build->description);
	_cleanup_sources_ struct sources sources = {0};
	_cleanup_list_ char **options = find_apt_options();
	struct debstrap debstrap = {
		.description = build->description,
		.scripts = scripts,
		.image_script = IMAGE_SCRIPT,
		.options = (const char *const *)options,
		.sources = &sources,
		.as_root = getuid() == 0,
		.image = build->root,
		.kernel = build->kernel,
		.initrd = build->initrd,
	};

	find_sources(&sources, build->description->suite);
	for (size_t i = 0; i < sources.count; i++)
		log_info("%s", sources.lines[i]);
	/* root of a user namespace is nobody to us; nothing but our descriptor leads to the file */
	if (fchmod(build->root, 0666) < 0 ||
	    ftruncate(build->root, (off_t)build->description->size) < 0)
		return error_errno(err, EX_CANTCREAT, "cannot make the image");
	return debstrap_run(&debstrap, err);
}

static int compress(const struct build *build, struct error *err)
{
	_cleanup_free_ char *from = scratch_path(build->root);
	_cleanup_free_ char *to = scratch_path(build->image);
	const char *const argv[] = {"qemu-img", "convert", "-c",
				    "-f",	"raw",	   "-O",
				    "qcow2",	"-o",	   "compression_type=zstd",
				    from,	to,	   NULL};
	struct process process = PROCESS_INIT;

	log_info("compressing the image");
	process.argv = argv;
	process.timeout = CONVERT_TIMEOUT;
	return process_run(&process, err);
}

static int check_boot_files(const struct build *build, struct error *err)
{
	struct stat kernel, initrd;

	if (fstat(build->kernel, &kernel) < 0 || fstat(build->initrd, &initrd) < 0)
		return error_errno(err, EX_IOERR, "cannot look at the kernel");
	if (kernel.st_size == 0 || initrd.st_size == 0)
		return error_set(err, EX_SOFTWARE, "the recipe made no kernel or no initrd");
	return 0;
}

static int build_and_publish(virStoragePoolPtr pool, const struct build *build, bool replace,
			     struct box *ret_box, struct error *err)
{
	const struct description *description = build->description;
	_cleanup_free_ char *source =
		text_format("built from Debian %s packages", description->suite);
	struct publication publication = {
		.name = description->name,
		.image = build->image,
		.kernel = build->kernel,
		.initrd = build->initrd,
		.cmdline = description->cmdline,
		.source = source,
		.replace = replace,
	};

	if (make_root(build, err) < 0 || check_boot_files(build, err) < 0 ||
	    compress(build, err) < 0 ||
	    image_inspect(build->image, IMAGE_QCOW2, &publication.virtual_size, err) < 0)
		return -1;
	return box_publish(pool, &publication, ret_box, err);
}

int box_build(virStoragePoolPtr pool, const struct description *description, bool replace,
	      struct box *ret_box, struct error *err)
{
	_cleanup_close_ int root = -1, image = -1, kernel = -1, initrd = -1;
	struct build build = {.description = description};

	if (box_build_check(err) < 0 || (root = scratch_file(err)) < 0 ||
	    (image = scratch_file(err)) < 0 || (kernel = scratch_file(err)) < 0 ||
	    (initrd = scratch_file(err)) < 0)
		return -1;
	build.root = root;
	build.image = image;
	build.kernel = kernel;
	build.initrd = initrd;
	if (build_and_publish(pool, &build, replace, ret_box, err) < 0)
		return error_prefix(err, "cannot build the box '%s'", description->name);
	return 0;
}
