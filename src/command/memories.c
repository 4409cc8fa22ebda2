/*
 * A guest's memory is a volume of the pool like its disks: libvirt's daemon writes it as root, for
 * nobody else to read, the storage API deletes it, and the list of snapshots names it. One that is
 * not named is left from a save that was cut off.
 *
 * It is good only for the machine that it was saved on, so a snapshot says which that was; QEMU
 * would find out as well, but some of it only when the guest runs already.
 */
#include "command/memories.h"

#include <fcntl.h>
#include <inttypes.h>

#include "base/file.h"
#include "base/text.h"
#include "box/digest.h"
#include "box/tree.h"
#include "domain/libvirt.h"
#include "domain/memory.h"
#include "domain/saved.h"

#define PROCESSORS_MAX (16 << 20)	     /* bytes of /proc/cpuinfo */
#define ROOM_MINIMUM   (UINT64_C(512) << 20) /* bytes that are left for the guests' disks */

/* The kinds of the host's processors: with KVM the guest has them. NULL: not told. */
static char *read_processor(void)
{
	static const char *const names[] = {"vendor_id", "cpu family", "model", "stepping",
					    "flags"};
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf kind = STRBUF_INIT;
	_cleanup_free_ char *text = NULL;
	char *end;

	if (file_read(AT_FDCWD, "/proc/cpuinfo", PROCESSORS_MAX, &text, NULL, &ignored) < 0)
		return NULL;
	end = strstr(text, "\n\n"); /* the others are like the first */
	if (end)
		*end = '\0';
	for (char *line = strtok_r(text, "\n", &end); line; line = strtok_r(NULL, "\n", &end))
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (text_starts(line, names[i]))
				strbuf_addf(&kind, "%s\n", line);
	return strbuf_take(&kind);
}

/* "7.2.22-DIGEST": QEMU's version, and all else that has to be the same. */
static int find_machine(const struct project *project, char **ret_machine, struct error *err)
{
	_cleanup_free_ char *xml =
		virDomainGetXMLDesc(project->domain.handle, VIR_DOMAIN_XML_INACTIVE);
	_cleanup_free_ char *machine = xml ? saved_machine(xml) : NULL;
	_cleanup_free_ char *processor =
		text_equal(project->domain.definition.metadata.accel, "kvm") ? read_processor()
									     : NULL;
	_cleanup_free_ char *all =
		text_format("%s\n%s", machine ? machine : "", processor ? processor : "");
	struct digest digest;
	unsigned long version;

	if (!machine || virConnectGetVersion(project->connection, &version) < 0) {
		libvirt_error(err, EX_SOFTWARE, "cannot tell what the guest runs on");
		return -1;
	}
	if (digest_bytes(all, strlen(all), DIGEST_SHA256, &digest, err) < 0)
		return -1;
	*ret_machine = text_format("%lu.%lu.%lu-%s", version / 1000000, version / 1000 % 1000,
				   version % 1000, digest.text);
	return 0;
}

static int check_state(const struct project *project, struct error *err)
{
	if (project_has_guest(project))
		return 0;
	error_set(err, EXIT_STATE, "the sandbox '%s' does not run, so it has no memory to save",
		  project->config.name);
	return error_hint(err, "without --memory its disk is saved");
}

/* All of the guest's memory, of which what it never used takes no room: generously. */
static int check_room(const struct project *project, virStoragePoolPtr pool, struct error *err)
{
	uint64_t memory = (uint64_t)virDomainGetMaxMemory(project->domain.handle) << 10;
	virStoragePoolInfo info;

	if (virStoragePoolGetInfo(pool, &info) < 0)
		return libvirt_error(err, EX_IOERR, "cannot look at the storage pool");
	if (info.available >= memory + ROOM_MINIMUM)
		return 0;
	error_set(err, EX_IOERR,
		  "the guest's memory may take %" PRIu64 " MiB, but only %" PRIu64 " MiB are free "
		  "in " POOL_DIRECTORY,
		  memory >> 20, (uint64_t)info.available >> 20);
	return error_hint(err, "without --memory a snapshot takes next to nothing");
}

int memory_plan(const struct project *project, virStoragePoolPtr pool, const char *overlay,
		struct snapshot *snapshot, struct error *err)
{
	static const char prefix[] = "disk-", suffix[] = ".qcow2";
	size_t length = strlen(overlay) - strlen(prefix) - strlen(suffix);
	_cleanup_free_ char *id = text_dup_n(overlay + strlen(prefix), length);

	if (check_state(project, err) < 0 || check_room(project, pool, err) < 0 ||
	    find_machine(project, &snapshot->machine, err) < 0)
		return -1;
	snapshot->memory = text_format(MEMORY_PREFIX "%s", id);
	return 0;
}

static int check_machine(const struct project *project, const struct snapshot *snapshot,
			 struct error *err)
{
	_cleanup_free_ char *machine = NULL;
	size_t version = strcspn(snapshot->machine, "-") + 1;

	if (find_machine(project, &machine, err) < 0)
		return -1;
	if (text_equal(machine, snapshot->machine))
		return 0;
	if (strncmp(machine, snapshot->machine, version) != 0)
		return error_set(err, EX_DATAERR, "its memory is of QEMU %.*s, and here is %.*s",
				 (int)version - 1, snapshot->machine, (int)strcspn(machine, "-"),
				 machine);
	return error_set(err, EX_DATAERR,
			 "its memory is of another machine (processor, memory, shares, kernel)");
}

int memory_restore(const struct project *project, const struct snapshot *snapshot,
		   struct error *err)
{
	_cleanup_free_ char *path = pool_path(snapshot->memory);
	_cleanup_free_ char *saved = NULL;
	_cleanup_free_ char *xml = NULL;

	if (check_machine(project, snapshot, err) < 0 ||
	    domain_read_memory(project->connection, path, &saved, err) < 0 ||
	    saved_edit(saved, &project->domain.definition, &xml, err) < 0)
		return -1;
	return domain_restore_paused(project->connection, path, xml, err);
}

static bool is_named(const struct snapshots *snapshots, const char *volume)
{
	for (size_t i = 0; i < snapshots->count; i++)
		if (text_equal(snapshots->items[i].memory, volume))
			return true;
	return false;
}

int memories_sweep(const struct project *project, virStoragePoolPtr pool, struct error *err)
{
	const struct definition *definition = &project->domain.definition;
	_cleanup_free_ char *prefix = text_format(MEMORY_PREFIX "%s", definition->metadata.uuid);
	_cleanup_list_ char **names = NULL;

	if (pool_list(pool, prefix, &names, err) < 0)
		return -1;
	for (char **name = names; *name; name++)
		if (!is_named(&definition->snapshots, *name) && pool_delete(pool, *name, err) < 0)
			return -1;
	return 0;
}
