/*
 * What virtiofsd knows of a share is not in QEMU, so QEMU 7.2 saves no memory of a guest that has
 * one (vhost-user-fs blocks every migration). The guest unmounts its shares itself, which writes
 * out what it holds back and fails while a program uses one; only then the devices go. A guest that
 * does not want to keeps what it has.
 */
#include "command/guest_shares.h"

#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"
#include "domain/memory.h"
#include "seed/seed.h"

#define ANSWER_MAX	4096 /* bytes of what the guest says about its mounts */
#define RELEASE_SECONDS 30   /* for the guest's kernel to let go of a device */

static const struct metadata *metadata_of(const struct project *project)
{
	return &project->domain.definition.metadata;
}

/* The reason is the guest's word, which is only shown. */
static int run_script(const struct guest_access *access, const char *script, int code,
		      const char *failure, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
	_cleanup_free_ char *reason = NULL;
	int status = 0;

	if (ssh_script(access, script, ANSWER_MAX, &answer, &status, err) < 0)
		return -1;
	if (status == 0)
		return 0;
	reason = text_last_line(strbuf_text(&answer));
	if (!*reason)
		return error_set(err, code, "%s: its shell ended with status %d", failure, status);
	return error_set(err, code, "%s: %s", failure, reason);
}

int guest_shares_mount(const struct project *project, const struct guest_access *access,
		       struct error *err)
{
	const struct metadata *metadata = metadata_of(project);
	_cleanup_free_ char *script =
		seed_share_script(metadata->shares, metadata->share_count, metadata->user);

	return run_script(access, script, EX_SOFTWARE, "the shares are not mounted in the guest",
			  err);
}

int guest_shares_attach(const struct project *project, struct error *err)
{
	const struct metadata *metadata = metadata_of(project);

	for (size_t i = 0; i < metadata->share_count; i++)
		if (domain_attach_share(project->domain.handle, metadata->name, i, err) < 0)
			return -1;
	return 0;
}

static int put_back(const struct project *project, struct error *err)
{
	_cleanup_access_ struct project_access access = {0};

	if (guest_shares_attach(project, err) < 0 || project_find_access(project, &access, err) < 0)
		return -1;
	return guest_shares_mount(project, &access.access, err);
}

void guest_shares_put_back(const struct project *project)
{
	_cleanup_error_ struct error why = ERROR_INIT;

	if (metadata_of(project)->share_count == 0 ||
	    domain_current_state(project->domain.handle) != DOMAIN_RUNNING)
		return;
	interrupt_hold_off();
	if (put_back(project, &why) < 0)
		log_warning("%s; 'migrant reload' starts the guest anew", why.message);
}

void guest_shares_repair(const struct project *project)
{
	const struct metadata *metadata = metadata_of(project);

	for (size_t i = 0; i < metadata->share_count; i++)
		if (!domain_has_share(project->domain.handle, i)) {
			log_step("%s: giving the guest its shares again", project->config.name);
			guest_shares_put_back(project);
			return;
		}
}

static int unmount(const struct project *project, struct error *err)
{
	const struct metadata *metadata = metadata_of(project);
	_cleanup_access_ struct project_access access = {0};
	_cleanup_free_ char *script =
		seed_share_release_script(metadata->shares, metadata->share_count);

	if (project_find_access(project, &access, err) < 0)
		return -1;
	if (run_script(&access.access, script, EX_TEMPFAIL,
		       "the guest does not let go of its shares", err) == 0)
		return 0;
	return error_hint(err, "end there what uses them, or 'migrant halt', which keeps disk and "
			       "shares");
}

static int detach(const struct project *project, struct error *err)
{
	const struct metadata *metadata = metadata_of(project);
	_cleanup_watch_ struct watch watch = WATCH_INIT;

	if (watch_begin(&watch, project->domain.handle, err) < 0)
		return -1;
	for (size_t i = 0; i < metadata->share_count; i++) {
		if (domain_detach_share(&watch, metadata->name, i, RELEASE_SECONDS, err) == 0)
			continue;
		if (err->code == EX_TEMPFAIL)
			error_set(err, EX_TEMPFAIL, "the guest does not let go of the share '%s'",
				  metadata->shares[i].host);
		return -1;
	}
	return 0;
}

int guest_shares_release(const struct project *project, struct error *err)
{
	if (metadata_of(project)->share_count == 0)
		return 0;
	if (project->domain.state == DOMAIN_PAUSED) {
		error_set(err, EXIT_STATE, "the guest is paused and cannot let go of its shares");
		return error_hint(err, "'migrant up' lets it run");
	}
	if (unmount(project, err) == 0 && detach(project, err) == 0)
		return 0;
	guest_shares_put_back(project);
	return -1;
}
