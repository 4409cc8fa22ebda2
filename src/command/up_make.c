/*
 * The steps of `up` that make what a sandbox consists of. The domain is defined first: its
 * definition is the claim on the name and says whose the volumes are, whenever this process dies.
 */
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
#include "box/tree.h"
#include "command/helper.h"
#include "command/policy_from_config.h"
#include "command/shares.h"
#include "command/up.h"
#include "command/volumes.h"
#include "network/choose.h"
#include "provision/host_key.h"
#include "provision/keys.h"
#include "seed/seed.h"

#define USER_DATA_MAX (1 << 20)
#define KERNEL_MAX    (UINT64_C(1) << 30)
#define SWITCH_MAX    16 /* bytes of a module's parameter */

static struct definition *definition_of(struct up *up)
{
	return &up->project.domain.definition;
}

static struct metadata *metadata_of(struct up *up)
{
	return &up->project.domain.definition.metadata;
}

/* RFC 9562 §5.4: 122 random bits. */
int up_new_uuid(char **ret_uuid, struct error *err)
{
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return error_errno(err, EX_OSERR, "cannot get random bytes");
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	*ret_uuid = text_format("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
				"%02x%02x%02x%02x%02x%02x",
				b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10],
				b[11], b[12], b[13], b[14], b[15]);
	return 0;
}

/* What the Migrantfile says anew at every start. */
static void update_metadata(struct up *up)
{
	struct metadata *metadata = metadata_of(up);

	metadata->version = METADATA_VERSION;
	text_replace(&metadata->program_version, MIGRANT_VERSION);
	policy_from_config(&up->project.config, up->wireguard, &metadata->policy);
	metadata->tunnel = up->tunnel;
	shares_from_config(&up->project.config, metadata);
	metadata->ttl = (uint32_t)up->project.config.ttl;
}

/* What stays the same for the life of the sandbox. */
static int new_metadata(struct up *up, struct error *err)
{
	const struct config *config = &up->project.config;
	struct metadata *metadata = metadata_of(up);

	if (!up->existed) {
		if (up_new_uuid(&metadata->uuid, err) < 0 || wire_choose(&metadata->wire, err) < 0)
			return -1;
		text_replace(&metadata->name, config->name);
		text_replace(&metadata->directory, config->directory);
		metadata->owner = getuid();
	}
	text_replace(&metadata->box, up->box.name);
	text_replace(&metadata->box_digest, up->box.digest);
	text_replace(&metadata->user, config->user);
	text_replace(&metadata->host_key, NULL);
	return 0;
}

/* The first of its disks, which lies right over the box's image. */
static void new_disk(struct up *up)
{
	struct definition *definition = definition_of(up);

	free(definition->disk);
	definition->disk = sandbox_volume_path(VOLUME_DISK, definition->metadata.uuid);
	free_list(definition->layers);
	definition->layers = xcalloc(1, sizeof(*definition->layers));
	snapshots_done(&definition->snapshots);
}

static int define(struct up *up, bool with_seed, struct error *err)
{
	const struct config *config = &up->project.config;
	const struct definition *from = definition_of(up);
	const char *uuid = from->metadata.uuid;
	_cleanup_free_ char *seed = sandbox_volume_path(VOLUME_SEED, uuid);
	_cleanup_free_ char *kernel = sandbox_volume_path(VOLUME_KERNEL, uuid);
	_cleanup_free_ char *initrd = sandbox_volume_path(VOLUME_INITRD, uuid);
	const struct domain_spec spec = {
		.metadata = &from->metadata,
		.accel = up->accel,
		.cpus = config->cpus,
		.memory = config->memory,
		.nested = config->nested,
		.uefi = from->uefi,
		.kernel = from->kernel ? kernel : NULL,
		.initrd = from->initrd ? initrd : NULL,
		.cmdline = from->cmdline,
		.snapshots = &from->snapshots,
		.disk = from->disk,
		.layers = (const char *const *)from->layers,
		.base = from->base,
		.base_format = from->base_format,
		.below = from->below,
		.below_format = from->below_format,
		.seed = with_seed ? seed : NULL,
	};
	_cleanup_free_ char *xml = NULL;
	virDomainPtr handle = NULL;

	if (domain_xml(&spec, &xml, err) < 0)
		return -1;
	if (domain_define(up->project.connection, xml, &handle, err) < 0)
		return from->uefi ? error_hint(err, UEFI_HINT) : -1;
	if (up->project.domain.handle)
		virDomainFree(up->project.domain.handle);
	up->project.domain.handle = handle;
	return 0;
}

int up_claim(struct up *up, struct error *err)
{
	if (new_metadata(up, err) < 0)
		return -1;
	new_disk(up);
	update_metadata(up);
	up->accel = DOMAIN_TCG; /* for now; nothing is started from this definition */
	return define(up, true, err);
}

/* The last to go. While something is left, the definition stays and says whose it is. */
int up_claim_undo(struct up *up, struct error *err)
{
	int left;

	if (!up->project.domain.handle)
		return 0;
	left = sandbox_volumes_count(up->pool, metadata_of(up)->uuid, err);
	if (left < 0)
		return -1;
	if (left > 0)
		return error_set(err, EX_SOFTWARE, "%d of the sandbox's volumes are still there",
				 left);
	if (helper_cleanup(metadata_of(up)->name, err) < 0)
		return -1;
	return domain_undefine(up->project.domain.handle, err);
}

int up_disk(struct up *up, struct error *err)
{
	const struct definition *from = definition_of(up);
	const char *uuid = metadata_of(up)->uuid;
	_cleanup_free_ char *name = sandbox_volume_name(VOLUME_DISK, uuid);

	if (sandbox_volume_delete(up->pool, VOLUME_DISK, uuid, err) < 0)
		return -1;
	if (up->layer.key)
		log_info("it starts from the layer of %s, made in %s", up->layer.created,
			 up->layer.directory);
	if (pool_make_overlay(up->pool, name, tree_volume_of(from->base), from->base_format,
			      up->project.config.disk, err) < 0)
		return error_prefix(err, "cannot make the sandbox's disk");
	return 0;
}

/* Before the claim there is no UUID, and nothing that could be named by it. */
static int delete_volume(struct up *up, enum volume_kind kind, struct error *err)
{
	const char *uuid = metadata_of(up)->uuid;

	return uuid && up->fresh ? sandbox_volume_delete(up->pool, kind, uuid, err) : 0;
}

int up_disk_undo(struct up *up, struct error *err)
{
	return delete_volume(up, VOLUME_DISK, err);
}

static int open_in_project(const struct config *config, const char *path, struct stat *ret_status,
			   struct error *err)
{
	_cleanup_close_ int directory = open(config->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = -1;

	if (directory < 0)
		return error_errno(err, EX_NOINPUT, "%s", config->directory);
	fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, ret_status) < 0)
		return error_errno(err, EX_NOINPUT, "%s", path);
	if (!S_ISREG(ret_status->st_mode) || (uint64_t)ret_status->st_size > KERNEL_MAX)
		return error_set(err, EX_DATAERR, "%s: not a regular file of at most 1 GiB", path);
	return take_fd(&fd);
}

/* A volume of the sandbox's own, from a file of the project or from one of the box. */
static int store_boot_file(struct up *up, enum volume_kind kind, const char *file,
			   const char *box_volume, struct error *err)
{
	const char *uuid = metadata_of(up)->uuid;
	_cleanup_free_ char *name = sandbox_volume_name(kind, uuid);
	_cleanup_close_ int fd = -1;
	struct stat status;

	if (file) {
		fd = open_in_project(&up->project.config, file, &status, err);
		if (fd < 0)
			return -1;
	}
	if (sandbox_volume_delete(up->pool, kind, uuid, err) < 0)
		return -1;
	if (fd >= 0)
		return pool_store_fd(up->pool, name, fd, (uint64_t)status.st_size, 0444, NULL, err);
	return pool_copy(up->pool, name, box_volume, 0444, err);
}

int up_kernel(struct up *up, struct error *err)
{
	const struct config *config = &up->project.config;
	const char *image = config->kernel_image;

	if (!image && (!up->box.kernel || up->keeps_base))
		return 0; /* the copies of the box that the sandbox was made from are there */
	if (store_boot_file(up, VOLUME_KERNEL, image, up->box.kernel, err) < 0)
		return error_prefix(err, "cannot store the kernel");
	if (!definition_of(up)->initrd)
		return 0;
	if (store_boot_file(up, VOLUME_INITRD, image ? config->kernel_initrd : NULL, up->box.initrd,
			    err) < 0)
		return error_prefix(err, "cannot store the initial RAM disk");
	return 0;
}

int up_kernel_undo(struct up *up, struct error *err)
{
	if (delete_volume(up, VOLUME_KERNEL, err) < 0)
		return -1;
	return delete_volume(up, VOLUME_INITRD, err);
}

/* True when the host's KVM passes virtualisation on. */
static bool kvm_nests(void)
{
	static const char *const files[] = {"/sys/module/kvm_intel/parameters/nested",
					    "/sys/module/kvm_amd/parameters/nested"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_error_ struct error ignored = ERROR_INIT;
		_cleanup_free_ char *text = NULL;

		if (file_read(AT_FDCWD, files[i], SWITCH_MAX, &text, NULL, &ignored) == 0)
			return text[0] == 'Y' || text[0] == '1';
	}
	return false;
}

static int check_nested(const struct up *up, struct error *err)
{
	if (!up->project.config.nested || up->accel != DOMAIN_KVM || kvm_nests())
		return 0;
	error_set(err, EX_UNAVAILABLE, "'nested: true', but this host's KVM does not nest");
	return error_hint(err, "load it with nested=1: modprobe -r kvm_intel && "
			       "modprobe kvm_intel nested=1 (or kvm_amd)");
}

int up_accel(struct up *up, struct error *err)
{
	_cleanup_free_ char *kernel = sandbox_volume_path(VOLUME_KERNEL, metadata_of(up)->uuid);
	bool has_kernel = definition_of(up)->kernel != NULL;

	if (accel_choose(up->project.connection, up->project.config.accel,
			 has_kernel ? kernel : NULL, &up->accel, err) < 0 ||
	    check_nested(up, err) < 0)
		return -1;
	text_replace(&metadata_of(up)->accel, domain_accel_name(up->accel));
	if (up->accel == DOMAIN_TCG)
		log_warning("the guest runs on QEMU's emulation, which is slow and for which QEMU "
			    "promises no isolation");
	return 0;
}

int up_keys(struct up *up, struct error *err)
{
	free(up->key);
	free(up->public_key);
	up->key = up->public_key = NULL;
	if (key_ensure(&up->key, &up->public_key, err) < 0)
		return -1;
	return host_key_make(&up->host_key, &metadata_of(up)->host_key, err);
}

static int make_seed(struct up *up, void **ret_iso, size_t *ret_length, struct error *err)
{
	const struct config *config = &up->project.config;
	const struct metadata *metadata = metadata_of(up);
	_cleanup_free_ char *path =
		config->cloud_init ? text_format("%s/%s", config->directory, config->cloud_init)
				   : NULL;
	_cleanup_free_ char *user_data = NULL;
	struct seed seed = {
		.instance_id = metadata->uuid,
		.hostname = metadata->name,
		.user = metadata->user,
		.public_key = up->public_key,
		.host_key = up->host_key,
		.host_key_public = metadata->host_key,
		.wire = metadata->wire,
		.shares = metadata->shares,
		.share_count = metadata->share_count,
		.user_data_file = config->cloud_init,
	};

	if (path && file_read(AT_FDCWD, path, USER_DATA_MAX, &user_data, NULL, err) < 0)
		return -1;
	seed.user_data = user_data;
	if (up->layer.key) {
		char *script = seed_identity(&seed);

		*ret_length = strlen(script);
		*ret_iso = script;
		return 0;
	}
	return seed_iso(&seed, ret_iso, ret_length, err);
}

int up_seed(struct up *up, struct error *err)
{
	const char *uuid = metadata_of(up)->uuid;
	_cleanup_free_ char *name = sandbox_volume_name(VOLUME_SEED, uuid);
	_cleanup_free_ void *iso = NULL;
	size_t length = 0;
	int result;

	if (make_seed(up, &iso, &length, err) < 0)
		return -1;
	result = sandbox_volume_delete(up->pool, VOLUME_SEED, uuid, err);
	if (result == 0)
		result = pool_store(up->pool, name, iso, length, 0600, false, err);
	explicit_bzero(iso, length);
	explicit_bzero(up->host_key, strlen(up->host_key));
	return result < 0 ? error_prefix(err, "cannot store the seed") : 0;
}

int up_seed_undo(struct up *up, struct error *err)
{
	return delete_volume(up, VOLUME_SEED, err);
}

int up_define(struct up *up, struct error *err)
{
	update_metadata(up);
	return define(up, up->fresh, err);
}

int up_define_booted(struct up *up, struct error *err)
{
	return define(up, false, err);
}
