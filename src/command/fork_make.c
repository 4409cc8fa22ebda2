/*
 * A fork lies over the frozen disk of its origin and begins as that one after a power cut, with its
 * host key: by that it is known at the first connection, on a wire where nobody else is, and over
 * that it is told who it is. Only then its definition says that it has been up; what dies before
 * is half-made, and the next `fork` or `destroy` of that name takes it away.
 */
#include "command/fork.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"
#include "command/destroy.h"
#include "command/disks.h"
#include "command/tunnel_file.h"
#include "command/volumes.h"
#include "domain/libvirt.h"
#include "hook/disks.h"
#include "provision/host_key.h"
#include "seed/seed.h"

#define ANSWER_MAX 4096

static struct definition *definition_of(struct fork *fork)
{
	return &fork->up.project.domain.definition;
}

static int taken(const char *name, struct error *err)
{
	error_set(err, EX_CANTCREAT, "there is a sandbox '%s' already", name);
	return error_hint(err, "take another name, or: migrant destroy %s", name);
}

/* Of two with one key the peer hears the one that spoke last; without its tunnel none must run. */
static int no_tunnel(const struct config *config, struct error *err)
{
	error_set(err, EX_NOINPUT,
		  "a fork of a sandbox with a tunnel needs one of its own, and there is no '%s'",
		  config->wireguard);
	return error_hint(err,
			  "put a second file of your provider there, with a key of its own: of two "
			  "with one WireGuard key, each cuts the other off");
}

int fork_check_key(const struct fork *fork, const struct wireguard *other, const char *whose,
		   struct error *err)
{
	const struct wireguard *own = fork->up.wireguard;

	if (!own || !other ||
	    memcmp(&own->private_key, &other->private_key, sizeof(own->private_key)) != 0)
		return 0;
	error_set(err, EX_DATAERR, "%s has the same private key as %s",
		  fork->up.project.config.wireguard, whose);
	return error_hint(err, "of two with one WireGuard key, each cuts the other off: this needs "
			       "a second one, which the peer knows");
}

/* @theirs: what the Migrantfile names, for which the fork has a file of its own. */
static int open_tunnel(struct fork *fork, const struct config *theirs, struct error *err)
{
	struct config *config = &fork->up.project.config;
	_cleanup_wireguard_ struct wireguard other = {0};
	_cleanup_free_ char *path = config_path(config, config->wireguard);

	if (access(path, F_OK) < 0 && errno == ENOENT)
		return no_tunnel(config, err);
	if (up_tunnel(&fork->up, err) < 0 || tunnel_file_load(theirs, &other, NULL, err) < 0)
		return -1;
	return fork_check_key(fork, &other, theirs->wireguard, err);
}

/* A fork that was cut off has never been up. */
static int clear_name(struct project *project, struct error *err)
{
	unsigned int kept = 0;

	if (project_find(project, err) < 0)
		return -1;
	if (!project->domain.handle)
		return 0;
	if (project->domain.definition.metadata.booted ||
	    !disks_are_forked(&project->domain.definition))
		return taken(project->config.name, err);
	log_info("an earlier fork '%s' was cut off; beginning anew", project->config.name);
	if (destroy_sandbox(project, &kept, err) < 0)
		return -1;
	return project_find(project, err);
}

int fork_begin(struct fork *fork, const struct project *origin, const struct invocation *invocation,
	       const char *name, struct error *err)
{
	struct up *up = &fork->up;
	_cleanup_config_ struct config theirs = {0};

	if (!name_is_valid(name))
		return error_set(err, EX_USAGE, "'%s' cannot be the name of a sandbox", name);
	up_begin(up, invocation);
	up->timeout = (unsigned int)option_number(invocation, "timeout", UP_SECONDS);
	if (up_config(up, err) < 0)
		return -1;
	if (text_equal(up->project.config.name, name))
		return taken(name, err);
	theirs.directory = text_dup(up->project.config.directory);
	theirs.wireguard = text_dup(up->project.config.wireguard);
	config_as_sibling(&up->project.config, name);
	virConnectRef(origin->connection);
	up->project.connection = origin->connection;
	up->project.is_fork = true;
	/* not waited for: that one may wait for what this one has locked */
	if (project_lock(&up->project, 0, err) < 0)
		return error_prefix(err, "'%s' is being made or changed", name);
	if (up_connect(up, err) < 0 || clear_name(&up->project, err) < 0)
		return -1;
	return theirs.wireguard ? open_tunnel(fork, &theirs, err) : 0;
}

/* What is the origin's alone does not come along. */
static int adapt(struct fork *fork, struct error *err)
{
	struct definition *definition = definition_of(fork);
	struct metadata *metadata = &definition->metadata;

	fork->up.had_shares = metadata->share_count > 0;
	while (metadata->share_count)
		share_done(&metadata->shares[--metadata->share_count]);
	snapshots_done(&definition->snapshots);
	text_replace(&metadata->name, fork->up.project.config.name);
	metadata->booted = false;
	fork->up.accel = text_equal(metadata->accel, domain_accel_name(DOMAIN_KVM)) ? DOMAIN_KVM
										    : DOMAIN_TCG;
	free(metadata->uuid);
	metadata->uuid = NULL;
	return up_new_uuid(&metadata->uuid, err);
}

static char **copy_list(char *const *list)
{
	size_t count = 0;
	char **copy;

	while (list[count])
		count++;
	copy = xcalloc(count + 1, sizeof(*copy));
	for (size_t i = 0; i < count; i++)
		copy[i] = text_dup(list[i]);
	return copy;
}

/* The definition of the origin, made that of the fork. */
static int describe(struct fork *fork, const struct project *origin, char *const *layers,
		    struct error *err)
{
	_cleanup_free_ char *xml =
		virDomainGetXMLDesc(origin->domain.handle, VIR_DOMAIN_XML_INACTIVE);
	struct definition *definition = definition_of(fork);

	if (!xml)
		return libvirt_error(err, EX_SOFTWARE, "cannot read the domain");
	definition_done(definition);
	if (definition_parse(xml, definition, err) < 0 || adapt(fork, err) < 0)
		return -1;
	free(definition->disk);
	definition->disk = sandbox_volume_path(VOLUME_DISK, definition->metadata.uuid);
	free_list(definition->layers);
	definition->layers = copy_list(layers);
	return 0;
}

static int copy_volume(struct fork *fork, const struct project *origin, enum volume_kind kind,
		       struct error *err)
{
	_cleanup_free_ char *from =
		sandbox_volume_name(kind, origin->domain.definition.metadata.uuid);
	_cleanup_free_ char *to = sandbox_volume_name(kind, definition_of(fork)->metadata.uuid);

	return pool_copy(fork->up.pool, to, from, 0444, err);
}

/* The claim on the name first, as always. */
static int make(struct fork *fork, const struct project *origin, struct error *err)
{
	const struct definition *definition = definition_of(fork);
	_cleanup_free_ char *disk = sandbox_volume_name(VOLUME_DISK, definition->metadata.uuid);

	if (up_define(&fork->up, err) < 0)
		return -1;
	fork->made = true;
	if (pool_make_overlay(fork->up.pool, disk, tree_volume_of(definition->layers[0]), "qcow2",
			      0, err) < 0)
		return -1;
	if (definition->kernel && copy_volume(fork, origin, VOLUME_KERNEL, err) < 0)
		return -1;
	return definition->initrd ? copy_volume(fork, origin, VOLUME_INITRD, err) : 0;
}

int fork_make(struct fork *fork, const struct project *origin, char *const *layers,
	      struct error *err)
{
	if (describe(fork, origin, layers, err) < 0 || up_find_layer(&fork->up, err) < 0)
		return -1;
	return make(fork, origin, err);
}

int fork_start(struct fork *fork, struct error *err)
{
	struct up *up = &fork->up;

	if (up->wireguard && up_stage(up, err) < 0)
		return -1;
	if (up_start(up, err) < 0 || up_verify(up, err) < 0)
		return -1;
	if (up->wireguard && up_handshake(up, err) < 0)
		return -1;
	if (up_listen(up, err) < 0 || up_resume(up, err) < 0)
		return -1;
	fork->deadline = up->timeout ? clock_ms() + up->timeout * INT64_C(1000) : INT64_MAX;
	return 0;
}

static int tell(struct fork *fork, const char *host_key, const char *host_key_public,
		struct error *err)
{
	struct up *up = &fork->up;
	char *script = seed_fork_script(up->project.config.name, host_key, host_key_public);
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
	int status = 0;
	int result = ssh_script(&up->access.access, script, ANSWER_MAX, &answer, &status, err);

	explicit_bzero(script, strlen(script));
	free(script);
	if (result < 0 || status == 0)
		return result;
	return error_set(err, EX_SOFTWARE, "the guest did not become another one: %s",
			 strbuf_text(&answer));
}

/* From here on it is known by a key of its own. */
static int become(struct fork *fork, struct error *err)
{
	struct up *up = &fork->up;
	struct metadata *metadata = &definition_of(fork)->metadata;
	_cleanup_free_ char *public_key = NULL;
	char *host_key = NULL;
	int result = host_key_make(&host_key, &public_key, err);

	if (result == 0) {
		result = tell(fork, host_key, public_key, err);
		explicit_bzero(host_key, strlen(host_key));
	}
	free(host_key);
	if (result < 0)
		return -1;
	text_replace(&metadata->host_key, public_key);
	project_access_done(&up->access);
	if (project_find_access(&up->project, &up->access, err) < 0 || up_confirm(up, err) < 0)
		return -1;
	metadata->booted = true;
	return up_define_booted(up, err);
}

int fork_finish(struct fork *fork, struct error *err)
{
	struct up *up = &fork->up;

	if (up_judge(up, err) < 0 || up_confirm(up, err) < 0)
		return -1;
	if (up->had_shares && up_mount_shares(up, err) < 0)
		return -1;
	if (become(fork, err) < 0)
		return -1;
	/* its own state to be reset to; it has just written everything out */
	return up_keep_now(up, err);
}

void fork_end(struct fork *fork)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct project *project = &fork->up.project;
	unsigned int kept = 0;

	if (fork->made && fork->state != FORK_IS_UP && project->domain.handle) {
		interrupt_hold_off();
		log_info("%s: taking it away", project->config.name);
		watch_end(&fork->up.watch);
		if (destroy_sandbox(project, &kept, &err) < 0) {
			log_warning("%s", err.message);
			log_info("'migrant destroy %s' tries again", project->config.name);
		}
	}
	up_done(&fork->up);
}
