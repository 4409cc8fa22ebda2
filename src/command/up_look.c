/*
 * The steps of `up` that change nothing. Whatever can be refused is refused here, before anything
 * has been made.
 */
#include <inttypes.h>
#include <libvirt/virterror.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "base/version.h"
#include "command/disks.h"
#include "command/drift.h"
#include "command/guest_shares.h"
#include "command/host.h"
#include "command/outdated.h"
#include "command/policy_check.h"
#include "command/policy_state.h"
#include "command/shares.h"
#include "command/up.h"
#include "command/volumes.h"
#include "domain/ask.h"
#include "domain/libvirt.h"
#include "provision/journal.h"

#define VERSION_MAX   128
#define HOOK_SECONDS  10
#define SPACE_MINIMUM (UINT64_C(512) << 20) /* bytes that a first boot writes, generously */

int up_config(struct up *up, struct error *err)
{
	const struct config *config = &up->project.config;

	if (project_load(&up->project, up->invocation, err) < 0 ||
	    project_require_file(&up->project, err) < 0 || config_check_files(config, err) < 0)
		return -1;
	return config_require_built(config, err);
}

int up_lock(struct up *up, struct error *err)
{
	if (project_lock(&up->project, up->timeout ? up->timeout : LOCK_SECONDS, err) < 0)
		return -1;
	journal_begin(up->project.config.name);
	return 0;
}

int up_connect(struct up *up, struct error *err)
{
	if (project_connect(&up->project, err) < 0)
		return -1;
	return pool_open(up->project.connection, &up->pool, err);
}

static int hook_unusable(struct error *err, const char *why)
{
	error_set(err, EX_UNAVAILABLE, "the hook " HOOK_PATH " %s", why);
	return error_hint(err, "run: sudo migrant setup");
}

/*
 * An old hook is told by its own word, before anything is made. Whether what lies there is a hook
 * at all shows when the guest is started: by its record (up_verify).
 */
int up_hook(struct up *up, struct error *err)
{
	static const char *const argv[] = {HOOK_PATH, "--version", NULL};
	static const char says[] = "migrant-hook ";
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf output = STRBUF_INIT;
	struct process process = PROCESS_INIT;
	struct stat status;
	char *version;

	(void)up;
	if (stat(HOOK_PATH, &status) < 0)
		return hook_unusable(err, "is not installed");
	if (!S_ISREG(status.st_mode) || status.st_uid != 0 || (status.st_mode & 022))
		return hook_unusable(err, "is not a program that only root can change");
	if (host_daemon_lacks_hook())
		return hook_unusable(err, "is not known to libvirt's daemon");
	process.argv = argv;
	process.timeout = HOOK_SECONDS;
	if (process_capture(&process, VERSION_MAX, &output, &ignored) < 0 ||
	    !text_starts(strbuf_text(&output), says))
		return 0;
	version = output.text + strlen(says);
	version[strcspn(version, "\n")] = '\0';
	if (strverscmp(version, MIGRANT_VERSION) < 0)
		return hook_unusable(err, "is older than this program");
	return 0;
}

static int already_running(struct up *up, struct error *err)
{
	up->finished = true;
	if (!up->only_looks && ask_answers(up->project.domain.handle, ASK_SECONDS, err) < 0)
		return -1;
	log_step("%s: is running", up->project.config.name);
	outdated_say(&up->project);
	if (!snapshots_find(&up->project.domain.definition.snapshots, SNAPSHOT_UP))
		log_warning("its first 'up' did not come to its end, so 'migrant reset' has "
			    "nothing to go back to; 'migrant provision' runs what it should have, "
			    "and keeps the result for that");
	if (!up->only_looks)
		guest_shares_repair(&up->project);
	return drift_check(&up->project, err);
}

/* Finds out what there is, and so which of the further steps apply. */
int up_find(struct up *up, struct error *err)
{
	struct domain *domain = &up->project.domain;
	bool booted;

	if (project_find(&up->project, err) < 0)
		return -1;
	booted = domain->handle && domain->definition.metadata.booted;
	up->existed = domain->handle != NULL;
	up->fresh = !booted;
	up->had_shares = booted && domain->definition.metadata.share_count > 0;
	if (booted && up->ignores_layer)
		log_info("--fresh is for a sandbox that is to be made, and this one is there: "
			 "'migrant destroy' first");
	/* a snapshot that is not there is said before anything else is found wanting, or run */
	if (up->rewind)
		return disks_check(&up->project, up->rewind, err);
	if (booted && domain->state == DOMAIN_RUNNING)
		return already_running(up, err);
	up->suspended = booted && domain->state == DOMAIN_SAVED;
	up->adopted = up->suspended || (booted && domain->state == DOMAIN_PAUSED);
	outdated_say(&up->project);
	/* its disk, and with that a layer below it, is opened anew */
	return up->suspended ? up_find_layer(up, err) : 0;
}

/* What on this host is none of what the Migrantfile opens. */
int up_policy(struct up *up, struct error *err)
{
	struct wire wire;

	if (policy_wire(&up->project, &wire, err) < 0)
		return -1;
	return policy_check(&up->project.config, &wire, err);
}

/* A sandbox outlives a box that has been built anew: it keeps the base that it was made over. */
static bool has_old_base(const struct up *up)
{
	return !up->fresh &&
	       !text_equal(up->project.domain.definition.metadata.box_digest, up->box.digest);
}

static const char *boot_kind(const struct config *config, const struct box *box)
{
	switch (config->boot) {
	case BOOT_KERNEL:
		return "kernel";
	case BOOT_BIOS:
		return "bios";
	case BOOT_UEFI:
		return "uefi";
	case BOOT_AUTO:
	default:
		return config->kernel_image || box->kernel ? "kernel" : box->firmware;
	}
}

/* Kernel and initrd become files of the sandbox's own; here only which there will be. */
static int choose_boot(struct up *up, struct error *err)
{
	const struct config *config = &up->project.config;
	struct definition *definition = &up->project.domain.definition;
	const char *kind = boot_kind(config, &up->box);
	bool has_kernel = text_equal(kind, "kernel");
	bool has_initrd =
		config->kernel_image ? config->kernel_initrd != NULL : up->box.initrd != NULL;

	if (has_kernel && !config->kernel_image && !up->box.kernel) {
		error_set(err, EX_CONFIG, "the box %s has no kernel of its own for 'boot: kernel'",
			  up->box.name);
		return error_hint(err, "write 'boot: auto', or name a kernel: in the Migrantfile");
	}
	text_replace(&definition->kernel, has_kernel ? "kernel" : NULL);
	text_replace(&definition->initrd, has_kernel && has_initrd ? "initrd" : NULL);
	text_replace(&definition->cmdline, !has_kernel		    ? NULL
					   : config->kernel_cmdline ? config->kernel_cmdline
								    : up->box.cmdline);
	definition->uefi = text_equal(kind, "uefi");
	return 0;
}

int up_box(struct up *up, struct error *err)
{
	const struct config *config = &up->project.config;

	if (box_load(up->pool, config->box, &up->box, err) < 0) {
		if (up->fresh || err->code != EX_NOINPUT)
			return -1;
		up->keeps_base = true;
		error_done(err); /* its base is still there, or libvirt will say that it is not */
		return 0;
	}
	up->keeps_base = has_old_base(up);
	if (up->keeps_base) {
		log_info("the sandbox stays on the box it was made from; 'migrant destroy' and "
			 "'migrant up' take the present one");
		return 0;
	}
	if (up->fresh) {
		free(up->project.domain.definition.base);
		up->project.domain.definition.base = pool_path(up->box.image);
		text_replace(&up->project.domain.definition.base_format, up->box.format);
	}
	return choose_boot(up, err);
}

/* Bytes that the overlays of the pool may still grow by, but for volume @except. */
static int promised_growth(virStoragePoolPtr pool, const char *except, uint64_t *ret_growth,
			   struct error *err)
{
	_cleanup_tree_ struct tree tree = {0};

	if (tree_load(pool, &tree, err) < 0)
		return -1;
	*ret_growth = 0;
	for (size_t i = 0; i < tree.count; i++) {
		const char *name = tree.items[i].name;
		virStorageVolPtr volume;
		virStorageVolInfo info;

		/* what lies below another is written to no more */
		if (text_equal(name, except) || tree_child(&tree, name))
			continue;
		volume = virStorageVolLookupByName(pool, name);
		if (!volume)
			continue;
		if (virStorageVolGetInfo(volume, &info) == 0 && info.capacity > info.allocation)
			*ret_growth += info.capacity - info.allocation;
		virStorageVolFree(volume);
	}
	return 0;
}

/* Bytes that are free as soon as the disk is put back: what was written since goes. */
static uint64_t freed_by_rewind(const struct up *up)
{
	const char *name = tree_volume_of(up->project.domain.definition.disk);
	virStorageVolPtr volume =
		up->rewind && name ? virStorageVolLookupByName(up->pool, name) : NULL;
	virStorageVolInfo info = {0};

	if (!volume)
		return 0;
	if (virStorageVolGetInfo(volume, &info) < 0)
		info.allocation = 0;
	virStorageVolFree(volume);
	return info.allocation;
}

static int check_space(struct up *up, struct error *err)
{
	const char *uuid = up->project.domain.definition.metadata.uuid;
	_cleanup_free_ char *remade =
		up->fresh && uuid ? sandbox_volume_name(VOLUME_DISK, uuid) : NULL;
	uint64_t growth;
	virStoragePoolInfo info;

	if (promised_growth(up->pool, remade, &growth, err) < 0)
		return -1;
	if (virStoragePoolGetInfo(up->pool, &info) < 0)
		return libvirt_error(err, EX_IOERR, "cannot look at the storage pool");
	if (up->fresh)
		growth += up->project.config.disk;
	if (info.available + freed_by_rewind(up) < SPACE_MINIMUM) {
		error_set(err, EX_IOERR, "only %" PRIu64 " MiB are free in " POOL_DIRECTORY,
			  (uint64_t)info.available >> 20);
		return error_hint(err, "free some space; 'migrant box prune' removes unused boxes");
	}
	if (info.available < growth)
		log_warning("the disks of all sandboxes may grow by %" PRIu64 " MiB, but only "
			    "%" PRIu64 " MiB are free: a guest is paused when they run out",
			    growth >> 20, (uint64_t)info.available >> 20);
	return 0;
}

static int check_memory(const struct up *up, struct error *err)
{
	const struct config *config = &up->project.config;
	struct sysinfo info;
	uint64_t total;

	if (sysinfo(&info) < 0)
		return error_errno(err, EX_OSERR, "cannot tell the host's memory");
	total = (uint64_t)info.totalram * info.mem_unit;
	if (config->memory <= total)
		return 0;
	error_set(err, EX_UNAVAILABLE, "the guest wants %" PRIu64 " MiB, the host has %" PRIu64,
		  config->memory >> 20, total >> 20);
	return error_hint(err, "lower memory: in the Migrantfile");
}

int up_preflight(struct up *up, struct error *err)
{
	if (check_memory(up, err) < 0)
		return -1;
	return check_space(up, err);
}
