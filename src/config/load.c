/*
 * The half of reading a Migrantfile that looks at the machine: where the file is, whether it may be
 * trusted, which of the default files lie beside it.
 */
#include "config/config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "config/keys.h"
#include "config/reader.h"
#include "config/yaml.h"

#define MIGRANTFILE "Migrantfile"

/* True when there is anything of that name; a dangling link counts, so that reading it complains.
 */
static bool exists(const char *directory, const char *name)
{
	_cleanup_free_ char *path = text_format("%s/%s", directory, name);
	struct stat status;

	return fstatat(AT_FDCWD, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

static int resolve(const char *directory, char **ret_path, struct error *err)
{
	char *path = realpath(directory, NULL);

	if (!path)
		return error_errno(err, errno == EACCES ? EX_NOPERM : EX_NOINPUT, "%s",
				   text_equal(directory, ".") ? "the current directory"
							      : directory);
	*ret_path = path;
	return 0;
}

static int find_in(const char *directory, char **ret_directory, char **ret_file, struct error *err)
{
	_cleanup_free_ char *path = NULL;

	if (resolve(directory, &path, err) < 0)
		return -1;
	if (!exists(path, MIGRANTFILE)) {
		if (errno == EACCES)
			return error_errno(err, EX_NOPERM, "%s/" MIGRANTFILE, path);
		error_set(err, EX_NOINPUT, "no Migrantfile in %s", path);
		return error_hint(err, "'migrant init' makes one");
	}
	*ret_file =
		text_format("%s%s%s", directory, text_ends(directory, "/") ? "" : "/", MIGRANTFILE);
	*ret_directory = take_ptr(path);
	return 0;
}

/* Cuts the last component off an absolute path; false at the root. */
static bool to_parent(char *path)
{
	char *slash = strrchr(path, '/');

	if (!path[1])
		return false;
	slash[slash == path] = '\0';
	return true;
}

static int find_upwards(char **ret_directory, char **ret_file, struct error *err)
{
	_cleanup_free_ char *start = NULL;
	_cleanup_free_ char *path = NULL;

	if (resolve(".", &start, err) < 0)
		return -1;
	path = text_dup(start);
	while (!exists(path, MIGRANTFILE)) {
		if (to_parent(path))
			continue;
		error_set(err, EX_NOINPUT, "no Migrantfile in %s or a directory above it", start);
		return error_hint(err, "'migrant init' makes one here; -C DIR names another place");
	}
	if (text_equal(path, start))
		*ret_file = text_dup(MIGRANTFILE);
	else
		*ret_file = text_format("%s/%s", path[1] ? path : "", MIGRANTFILE);
	*ret_directory = take_ptr(path);
	return 0;
}

int config_find(const char *directory, char **ret_directory, char **ret_file, struct error *err)
{
	return directory ? find_in(directory, ret_directory, ret_file, err)
			 : find_upwards(ret_directory, ret_file, err);
}

/*
 * A Migrantfile names programs that run on the host as the user. One that somebody else put into a
 * directory above the current one (/tmp, say), or can change, must not be obeyed (CVE-2022-24765).
 */
static int check_owner(int fd, const char *file, struct error *err)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_errno(err, EX_IOERR, "%s", file);
	if (status.st_uid != geteuid() && status.st_uid != 0) {
		error_set(err, EX_NOPERM, "%s belongs to another user (uid %u)", file,
			  (unsigned int)status.st_uid);
		return error_hint(err, "copy the project, or run migrant as its owner");
	}
	if (S_ISREG(status.st_mode) && (status.st_mode & S_IWOTH)) {
		error_set(err, EX_NOPERM, "%s can be changed by every user", file);
		return error_hint(err, "chmod o-w %s", file);
	}
	return 0;
}

static int read_source(const char *file, char **ret_text, size_t *ret_length, struct error *err)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;

	if (fd < 0)
		return error_errno(err, errno == EACCES ? EX_NOPERM : EX_NOINPUT, "%s", file);
	if (check_owner(fd, file, err) < 0)
		return -1;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return error_set(err, EX_CONFIG, "%s is not a regular file", file);
	if (status.st_size > SOURCE_SIZE_MAX) {
		error_set(err, EX_CONFIG, "larger than %d KiB", SOURCE_SIZE_MAX / 1024);
		return error_place(err, "%s", file);
	}
	return file_read_fd(fd, SOURCE_SIZE_MAX, ret_text, ret_length, err);
}

/* Sets a key that nobody wrote to the file it defaults to, if that lies beside the Migrantfile. */
static void default_file(const struct config *config, enum config_key_id key, const char *name,
			 char **slot)
{
	if (!config->positions[key].line && exists(config->directory, name))
		text_replace(slot, name);
}

static void default_provision(struct config *config)
{
	_cleanup_free_ char *playbook = NULL;

	default_file(config, KEY_PROVISION, "playbook.yml", &playbook);
	if (!playbook)
		return;
	config->provision = xcalloc(1, sizeof(*config->provision));
	config->provision[0] =
		(struct config_provision){.kind = PROVISION_ANSIBLE, .file = take_ptr(playbook)};
	config->provision_count = 1;
}

static int parse_file(const char *directory, const char *file, struct config *ret_config,
		      struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t length = 0;

	if (read_source(file, &text, &length, err) < 0)
		return -1;
	return config_parse(directory, file, text, length, ret_config, err);
}

static const struct config_share *share_around(const struct config *above, const char *directory)
{
	for (size_t i = 0; i < above->share_count; i++) {
		_cleanup_free_ char *share = config_path(above, above->shares[i].host);
		size_t length = strlen(share);

		if (text_starts(directory, share) &&
		    (!directory[length] || directory[length] == '/'))
			return &above->shares[i];
	}
	return NULL;
}

/*
 * What lies in a share was written by a guest, though its files belong to the user: a Migrantfile
 * there would be the guest's way to run programs on the host.
 */
static int check_not_in_share(const char *directory, struct error *err)
{
	_cleanup_free_ char *above = text_dup(directory);

	while (to_parent(above)) {
		_cleanup_error_ struct error ignored = ERROR_INIT;
		_cleanup_free_ char *file = text_format("%s/" MIGRANTFILE, above[1] ? above : "");
		_cleanup_config_ struct config config = {0};
		const struct config_share *share;

		if (!exists(above, MIGRANTFILE) || parse_file(above, file, &config, &ignored) < 0)
			continue;
		share = share_around(&config, directory);
		if (!share)
			continue;
		error_set(err, EX_NOPERM,
			  "the Migrantfile in %s lies in the share '%s' of %s: a "
			  "guest may have written it",
			  directory, share->host, file);
		return error_hint(err,
				  "-C %s works on that project; what is to be a project of "
				  "its own has to be copied out of the share",
				  above);
	}
	return 0;
}

int config_load(const char *directory, struct config *ret_config, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *file = NULL;
	_cleanup_config_ struct config config = {0};

	if (config_find(directory, &path, &file, err) < 0 || check_not_in_share(path, err) < 0 ||
	    parse_file(path, file, &config, err) < 0)
		return -1;
	default_file(&config, KEY_WIREGUARD, "wireguard.conf", &config.wireguard);
	default_file(&config, KEY_CLOUD_INIT, "cloud-init.yml", &config.cloud_init);
	default_provision(&config);
	if (config_check_tunnel(&config, err) < 0)
		return -1;
	*ret_config = config;
	config = (struct config){0};
	return 0;
}

static int check_file(const struct config *config, const char *path, bool is_directory,
		      struct position position, struct error *err)
{
	_cleanup_free_ char *absolute = path ? config_path(config, path) : NULL;
	struct stat status;

	if (!absolute)
		return 0;
	if (stat(absolute, &status) < 0) {
		config_error(config, position, err, "%s: %s", path, strerror(errno));
		err->code = EX_NOINPUT;
		return -1;
	}
	if (is_directory ? S_ISDIR(status.st_mode) : S_ISREG(status.st_mode))
		return 0;
	config_error(config, position, err, "%s is not a %s", path,
		     is_directory ? "directory" : "regular file");
	err->code = EX_NOINPUT;
	return -1;
}

static bool is_directory(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int check_provisioner(const struct config *config, const struct config_provision *provision,
			     struct error *err)
{
	const char *const files[] = {provision->file, provision->requirements, provision->settings};
	_cleanup_free_ char *path = provision->file ? config_path(config, provision->file) : NULL;
	bool directory = path && provision->kind == PROVISION_FILE && is_directory(path);

	if (directory && provision->mode)
		return config_error(config, provision->position, err,
				    "a 'mode' is for a file, and %s is a directory",
				    provision->file);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (check_file(config, files[i], i == 0 && directory, provision->position, err) < 0)
			return -1;
	return 0;
}

int config_check_files(const struct config *config, struct error *err)
{
	const struct {
		const char *path;
		enum config_key_id key;
	} files[] = {
		{config_box_is_path(config) ? config->box : NULL, KEY_BOX},
		{config->kernel_image, KEY_KERNEL_IMAGE},
		{config->kernel_initrd, KEY_KERNEL_INITRD},
		{config->wireguard, KEY_WIREGUARD},
		{config->cloud_init, KEY_CLOUD_INIT},
		{config->hooks, KEY_HOOKS},
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (check_file(config, files[i].path, files[i].key == KEY_HOOKS,
			       config->positions[files[i].key], err) < 0)
			return -1;
	for (size_t i = 0; i < config->provision_count; i++)
		if (check_provisioner(config, &config->provision[i], err) < 0)
			return -1;
	return config_check_share_files(config, err);
}
