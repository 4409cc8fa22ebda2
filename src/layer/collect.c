/*
 * Files are looked up below one directory with openat2(2): a link that leads out of it does not
 * open, so what is hashed is what lies in the project. A provisioner's file that is itself outside
 * has its own directory as the bound.
 *
 * An Ansible playbook takes more than itself: what Ansible looks for beside it counts, and every
 * YAML file there, since any of them may be included.
 */
#include "layer/collect.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <linux/openat2.h>

#include "base/file.h"
#include "base/text.h"
#include "box/digest.h"

#define FILES_MAX 8192
#define BYTES_MAX (UINT64_C(512) << 20)
#define DEPTH_MAX 24
#define SCAN_MAX  (1 << 20) /* bytes of a file that is looked through for words */

struct walk {
	struct layer_inputs *inputs;
	int base; /* nothing above it is opened */
	size_t files;
	uint64_t bytes;
	bool scans; /* it provisions: its words count */
};

/* Opens below the base, following links that stay there. -1 with errno. */
static int open_inside(int base, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, base, path, &how, sizeof(how));
}

static int hash_file(struct walk *walk, int fd, const char *name, const struct stat *status,
		     struct error *err)
{
	struct digest digest;
	char *text = NULL;
	size_t length = 0;

	walk->bytes += (uint64_t)status->st_size;
	if (++walk->files > FILES_MAX || walk->bytes > BYTES_MAX) {
		layer_inputs_refuse(walk->inputs,
				    "what it is made from is too much to look at (more than %d "
				    "files or %llu MiB)",
				    FILES_MAX, (unsigned long long)(BYTES_MAX >> 20));
		return 0;
	}
	if (digest_file(fd, DIGEST_SHA256, &digest, NULL, err) < 0)
		return error_prefix(err, "%s", name);
	layer_inputs_add_file(walk->inputs, name, status->st_mode, digest.text);
	if (!walk->scans || status->st_size > SCAN_MAX)
		return 0;
	if (lseek(fd, 0, SEEK_SET) < 0 || file_read_fd(fd, SCAN_MAX, &text, &length, err) < 0)
		return error_prefix(err, "%s", name);
	layer_inputs_scan(walk->inputs, name, text, length);
	free(text);
	return 0;
}

static int visit(struct walk *walk, const char *path, const char *shown, unsigned int depth,
		 struct error *err);

/* What version control and interpreters keep for themselves. */
static bool is_passed_over(const char *name)
{
	return text_equal(name, ".") || text_equal(name, "..") || text_equal(name, ".git") ||
	       text_equal(name, "__pycache__");
}

static int visit_directory(struct walk *walk, int fd, const char *path, const char *shown,
			   unsigned int depth, struct error *err)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir)
		return error_errno(err, EX_IOERR, "%s", shown);
	while (!walk->inputs->refusal && (entry = readdir(dir))) {
		_cleanup_free_ char *below = NULL, *below_shown = NULL;

		if (is_passed_over(entry->d_name))
			continue;
		below = text_format("%s/%s", path, entry->d_name);
		below_shown = text_format("%s/%s", shown, entry->d_name);
		if (visit(walk, below, below_shown, depth + 1, err) < 0)
			return -1;
	}
	return 0;
}

/* Adds what lies at @path. Below a directory that was listed (@depth > 0) only a link is absent. */
static int visit(struct walk *walk, const char *path, const char *shown, unsigned int depth,
		 struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct stat status;

	if (depth > DEPTH_MAX) {
		layer_inputs_refuse(walk->inputs, "%s lies too deep", shown);
		return 0;
	}
	fd = open_inside(walk->base, path);
	if (fd < 0 && (errno == EXDEV || errno == ELOOP || errno == ENXIO ||
		       (errno == ENOENT && depth > 0))) {
		layer_inputs_refuse(walk->inputs, "%s leads out of its directory, or nowhere",
				    shown);
		return 0;
	}
	if (fd < 0 || fstat(fd, &status) < 0)
		return error_errno(err, EX_NOINPUT, "%s", shown);
	if (S_ISDIR(status.st_mode))
		return visit_directory(walk, fd, path, shown, depth, err);
	if (S_ISREG(status.st_mode))
		return hash_file(walk, fd, shown, &status, err);
	layer_inputs_refuse(walk->inputs, "%s is no file", shown);
	return 0;
}

/* Ansible looks for these beside a playbook. */
static bool is_beside_playbook(const char *name)
{
	static const char *const names[] = {
		"roles",     "files",	"templates",	"vars",	      "group_vars",
		"host_vars", "library", "module_utils", "tasks",      "handlers",
		"defaults",  "meta",	"collections",	"ansible.cfg"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (text_equal(name, names[i]))
			return true;
	return text_ends(name, "_plugins") || text_ends(name, ".yml") || text_ends(name, ".yaml");
}

/* @path's last component and, in *ret_parent ("." for none), what is before it. */
static const char *split(const char *path, char **ret_parent)
{
	const char *slash = strrchr(path, '/');

	*ret_parent = slash ? text_dup_n(path, (size_t)(slash - path)) : text_dup(".");
	return slash ? slash + 1 : path;
}

static int visit_beside(struct walk *walk, const char *playbook, struct error *err)
{
	_cleanup_free_ char *parent = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd;

	(void)split(playbook, &parent);
	fd = open_inside(walk->base, parent);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		cleanup_close(&fd);
		return error_errno(err, EX_NOINPUT, "%s", playbook);
	}
	while ((entry = readdir(dir))) {
		_cleanup_free_ char *path = NULL;

		if (!is_beside_playbook(entry->d_name))
			continue;
		path = text_equal(parent, ".") ? text_dup(entry->d_name)
					       : text_format("%s/%s", parent, entry->d_name);
		if (visit(walk, path, path, 1, err) < 0)
			return -1;
	}
	return 0;
}

/* Inside the project the project is the bound; else the directory that @path lies in. */
static int add_path(struct walk *walk, const struct config *config, const char *path,
		    bool with_siblings, struct error *err)
{
	_cleanup_free_ char *absolute = config_path(config, path);
	_cleanup_free_ char *parent = NULL;
	_cleanup_close_ int base = open(config->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int inside = base < 0 ? -1 : open_inside(base, path);
	const char *name = path;

	if (inside < 0) {
		cleanup_close(&base);
		name = split(absolute, &parent);
		base = open(*parent ? parent : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (base < 0)
		return error_errno(err, EX_NOINPUT, "%s", path);
	walk->base = base;
	if (visit(walk, name, path, 0, err) < 0)
		return -1;
	return with_siblings ? visit_beside(walk, name, err) : 0;
}

static int add_if(struct walk *walk, const struct config *config, const char *path,
		  struct error *err)
{
	return path ? add_path(walk, config, path, false, err) : 0;
}

static char *join(char *const *words)
{
	struct strbuf text = STRBUF_INIT;

	for (; words && *words; words++)
		strbuf_addf(&text, "%s%s", text.length ? "\n" : "", *words);
	return strbuf_take(&text);
}

/* What the Migrantfile itself says of one provisioner. */
static void add_settings(struct layer_inputs *inputs, const struct config_provision *provision,
			 size_t index)
{
	_cleanup_free_ char *tags = join(provision->tags);
	const struct {
		const char *name, *value;
	} settings[] = {
		{"kind", config_provision_kind(provision)},
		{"file", provision->file},
		{"vars", provision->vars},
		{"tags", tags},
		{"inline", provision->script},
		{"to", provision->to},
		{"mode", provision->mode},
		{"user", provision->as_user ? "user" : "root"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		_cleanup_free_ char *name =
			text_format("provision %zu %s", index, settings[i].name);

		layer_inputs_add(inputs, name, settings[i].value);
		if (settings[i].value)
			layer_inputs_scan(inputs, name, settings[i].value,
					  strlen(settings[i].value));
	}
}

static int add_provision(struct walk *walk, const struct config *config, size_t index,
			 struct error *err)
{
	const struct config_provision *provision = &config->provision[index];
	bool is_ansible = provision->kind == PROVISION_ANSIBLE;

	add_settings(walk->inputs, provision, index);
	if (provision->secret)
		layer_inputs_refuse(walk->inputs, "%s is marked 'secret'",
				    config_provision_title(provision));
	if (provision->file && add_path(walk, config, provision->file, is_ansible, err) < 0)
		return -1;
	if (add_if(walk, config, provision->requirements, err) < 0 ||
	    add_if(walk, config, provision->settings, err) < 0)
		return -1;
	for (size_t i = 0; i < provision->input_count; i++)
		if (add_path(walk, config, provision->inputs[i], false, err) < 0)
			return -1;
	return 0;
}

/* A password in the user-data lies in the guest afterwards; `lock_passwd` is none. */
static int add_cloud_init(struct walk *walk, const struct config *config, struct error *err)
{
	static const char *const words[] = {"plain_text_passwd", "hashed_passwd", "chpasswd",
					    "password:",	 " passwd:",	  "{passwd:"};
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *text = NULL;

	if (!config->cloud_init)
		return 0;
	path = config_path(config, config->cloud_init);
	if (add_path(walk, config, config->cloud_init, false, err) < 0 ||
	    file_read(AT_FDCWD, path, SCAN_MAX, &text, NULL, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(text, words[i]))
			layer_inputs_refuse(walk->inputs, "%s sets a password", config->cloud_init);
	return 0;
}

static void add_number(struct layer_inputs *inputs, const char *name, uint64_t value)
{
	_cleanup_free_ char *text = text_format("%llu", (unsigned long long)value);

	layer_inputs_add(inputs, name, text);
}

/* Where shares are mounted is written into the guest. */
static void add_shares(struct layer_inputs *inputs, const struct config *config)
{
	for (size_t i = 0; i < config->share_count; i++) {
		_cleanup_free_ char *name = text_format("share %zu", i);
		_cleanup_free_ char *value =
			text_format("%s %s", config->shares[i].read_only ? "ro" : "rw",
				    config->shares[i].guest);

		layer_inputs_add(inputs, name, value);
	}
}

static void add_keys(struct layer_inputs *inputs, const struct config *config,
		     const struct layer_context *context)
{
	char gateway[ADDRESS_TEXT_MAX];

	layer_inputs_add(inputs, "box", context->box_digest);
	layer_inputs_add(inputs, "boot", context->cmdline);
	layer_inputs_add(inputs, "user", config->user);
	layer_inputs_add(inputs, "login key", context->public_key);
	layer_inputs_add(inputs, "wire", address_format(&context->wire->gateway, gateway));
	add_number(inputs, "disk", config->disk);
	add_number(inputs, "owner", context->owner);
	add_number(inputs, "seed", LAYER_SEED_FORMAT);
	layer_inputs_add(inputs, "nested", config->nested ? "true" : "false");
	add_shares(inputs, config);
}

int layer_collect(const struct config *config, const struct layer_context *context,
		  struct layer_inputs *ret_inputs, struct error *err)
{
	_cleanup_layer_inputs_ struct layer_inputs inputs = {0};
	struct walk walk = {.inputs = &inputs, .scans = true};

	add_keys(&inputs, config, context);
	if (add_cloud_init(&walk, config, err) < 0)
		return -1;
	for (size_t i = 0; i < config->provision_count; i++)
		if (add_provision(&walk, config, i, err) < 0)
			return -1;
	walk.scans = false;
	if (add_if(&walk, config, config->kernel_image, err) < 0 ||
	    add_if(&walk, config, config->kernel_initrd, err) < 0)
		return -1;
	if (inputs.uses_name)
		layer_inputs_add(&inputs, "name", config->name);
	layer_inputs_sort(&inputs);
	*ret_inputs = inputs;
	inputs = (struct layer_inputs){0};
	return 0;
}
