/*
 * A changed Migrantfile takes effect in five ways: at once by `reload --policy`, at the next start
 * by `reload`, on a growing disk by `resize`, or only in a sandbox that is made anew. Which way is
 * which key's, is decided here alone, for `up`, `status` and `reload`.
 */
#include "command/outdated.h"

#include "base/log.h"
#include "base/text.h"
#include "command/policy_state.h"
#include "command/shares.h"
#include "command/tunnel_state.h"
#include "config/keys.h"

#define RELOAD "'migrant reload' takes it"
#define ANEW   "'migrant destroy' and 'migrant up' make it so"

struct lines {
	char **items; /* NULL-terminated */
	size_t count;
};

/* Takes @line over. */
static void add(struct lines *lines, char *line)
{
	lines->items = xreallocarray(lines->items, lines->count + 2, sizeof(*lines->items));
	lines->items[lines->count++] = line;
	lines->items[lines->count] = NULL;
}

static void add_texts(struct lines *lines, const char *key, const char *now, const char *wanted,
		      const char *remedy)
{
	add(lines, text_format("%s is '%s', but '%s' in the Migrantfile: %s", key, now ? now : "",
			       wanted ? wanted : "", remedy));
}

static void add_sizes(struct lines *lines, const char *key, uint64_t now, uint64_t wanted,
		      const char *remedy)
{
	_cleanup_strbuf_ struct strbuf now_text = STRBUF_INIT, wanted_text = STRBUF_INIT;

	size_describe(now, &now_text);
	size_describe(wanted, &wanted_text);
	add_texts(lines, key, strbuf_text(&now_text), strbuf_text(&wanted_text), remedy);
}

/* As the Migrantfile writes it. */
static char *describe_time(uint64_t seconds)
{
	if (seconds == 0)
		return text_dup("none");
	if (seconds % 60)
		return text_format("%llus", (unsigned long long)seconds);
	if (seconds % 3600)
		return text_format("%llum", (unsigned long long)seconds / 60);
	return text_format("%lluh", (unsigned long long)seconds / 3600);
}

static void compare_ttl(struct lines *lines, uint64_t now, uint64_t wanted)
{
	_cleanup_free_ char *now_text = describe_time(now);
	_cleanup_free_ char *wanted_text = describe_time(wanted);

	if (now != wanted)
		add_texts(lines, "ttl", now_text, wanted_text, RELOAD);
}

static const char *boot_of(const struct definition *definition)
{
	if (definition->kernel)
		return "kernel";
	return definition->uefi ? "uefi" : "bios";
}

static void compare_boot(struct lines *lines, const struct config *config,
			 const struct definition *definition)
{
	static const char *const names[] = {
		[BOOT_KERNEL] = "kernel", [BOOT_BIOS] = "bios", [BOOT_UEFI] = "uefi"};
	const char *now = boot_of(definition);

	if (config->boot != BOOT_AUTO && !text_equal(names[config->boot], now))
		add_texts(lines, "boot", now, names[config->boot], RELOAD);
	if (config->boot == BOOT_AUTO && config->kernel_image && !definition->kernel)
		add_texts(lines, "boot", now, "kernel", RELOAD);
	if (config->kernel_cmdline && definition->kernel &&
	    !text_equal(config->kernel_cmdline, definition->cmdline))
		add_texts(lines, "kernel.cmdline", definition->cmdline, config->kernel_cmdline,
			  RELOAD);
}

/* What a guest that runs has, and the next start of it takes from the Migrantfile. */
static void compare_machine(struct lines *lines, const struct config *config,
			    const struct definition *definition, const struct outdated_facts *facts)
{
	static const char *const accels[] = {[ACCEL_KVM] = "kvm", [ACCEL_TCG] = "tcg"};
	const char *accel = definition->metadata.accel;

	if (facts->cpus != config->cpus) {
		_cleanup_free_ char *now = text_format("%u", facts->cpus);
		_cleanup_free_ char *wanted = text_format("%u", config->cpus);

		add_texts(lines, "cpus", now, wanted, RELOAD);
	}
	if (facts->memory != config->memory)
		add_sizes(lines, "memory", facts->memory, config->memory, RELOAD);
	compare_boot(lines, config, definition);
	compare_ttl(lines, definition->metadata.ttl, config->ttl);
	if (config->accel != ACCEL_AUTO && !text_equal(accels[config->accel], accel))
		add_texts(lines, "accel", accel, accels[config->accel], RELOAD);
	/* an emulated processor always has it */
	if (text_equal(accel, "kvm") && definition->nested != config->nested)
		add_texts(lines, "nested", definition->nested ? "true" : "false",
			  config->nested ? "true" : "false", RELOAD);
	if (facts->shares_differ)
		add(lines, text_dup("its shares are not those of the Migrantfile: "
				    "'migrant reload' takes these"));
	if (facts->tunnel_differs)
		add(lines, text_dup(TUNNEL_OUTDATED));
	if (facts->policy_differs)
		add(lines, text_dup(POLICY_OUTDATED));
}

/* What a guest got at its first boot. */
static void compare_made(struct lines *lines, const struct config *config,
			 const struct definition *definition, const struct outdated_facts *facts)
{
	const struct metadata *metadata = &definition->metadata;

	if (facts->disk && facts->disk < config->disk)
		add_sizes(lines, "disk", facts->disk, config->disk,
			  "'migrant resize' makes it grow");
	if (facts->disk > config->disk)
		add_sizes(lines, "disk", facts->disk, config->disk,
			  "a disk does not shrink; " ANEW);
	if (!text_equal(metadata->user, config->user))
		add_texts(lines, "user", metadata->user, config->user, ANEW);
	if (!config_box_is_path(config) && !text_equal(metadata->box, config->box))
		add_texts(lines, "box", metadata->box, config->box, ANEW);
}

char **outdated_compare(const struct config *config, const struct definition *definition,
			const struct outdated_facts *facts)
{
	struct lines lines = {.items = xcalloc(1, sizeof(*lines.items))};

	if (facts->runs)
		compare_machine(&lines, config, definition, facts);
	compare_made(&lines, config, definition, facts);
	return lines.items;
}

static bool goes_on(enum domain_state state)
{
	return state == DOMAIN_RUNNING || state == DOMAIN_PAUSED || state == DOMAIN_SAVED;
}

/* By the file: QEMU, which may hang, is not asked. 0: not known. */
static uint64_t disk_size(const struct project *project)
{
	const char *path = project->domain.definition.disk;
	virStorageVolPtr volume =
		path ? virStorageVolLookupByPath(project->connection, path) : NULL;
	virStorageVolInfo info = {0};

	if (!volume)
		return 0;
	if (virStorageVolGetInfo(volume, &info) < 0)
		info.capacity = 0;
	virStorageVolFree(volume);
	return info.capacity;
}

char **outdated_find(const struct project *project)
{
	const struct domain *domain = &project->domain;
	struct outdated_facts facts = {.cpus = project->config.cpus,
				       .memory = project->config.memory};
	virDomainInfo info;

	if (!domain->handle || !domain->definition.metadata.booted || !project->has_file)
		return xcalloc(1, sizeof(char *));
	facts.runs = goes_on(domain->state);
	if (virDomainGetInfo(domain->handle, &info) == 0) {
		facts.cpus = info.nrVirtCpu;
		facts.memory = (uint64_t)info.maxMem * 1024;
	}
	facts.disk = disk_size(project);
	facts.policy_differs = policy_is_outdated(project);
	facts.tunnel_differs = tunnel_is_outdated(project);
	facts.shares_differ = !shares_are_current(&project->config, &domain->definition.metadata);
	return outdated_compare(&project->config, &domain->definition, &facts);
}

void outdated_say(const struct project *project)
{
	_cleanup_list_ char **lines = outdated_find(project);

	for (char **line = lines; *line; line++)
		log_info("%s", *line);
}
