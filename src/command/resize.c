/*
 * `migrant resize`: the disk of a guest that runs becomes as large as the Migrantfile says, and its
 * file system with it. It never shrinks: what lies at the end would be lost. Cut off between the
 * two, the next call finds the disk done and goes on with the file system.
 */
#include <inttypes.h>

#include "base/log.h"
#include "base/text.h"
#include "command/outdated.h"
#include "domain/ask.h"
#include "domain/domain_xml.h"
#include "domain/libvirt.h"

#define ANSWER_MAX 65536 /* bytes of what the guest says */

extern const char grow_script[];

static int open_running(struct project *project, const struct invocation *invocation,
			struct error *err)
{
	if (project_load(project, invocation, err) < 0 || project_require_file(project, err) < 0 ||
	    project_lock(project, LOCK_SECONDS, err) < 0 || project_connect(project, err) < 0 ||
	    project_find(project, err) < 0)
		return -1;
	return project_require_running(project, err);
}

static int refuse_to_shrink(const struct project *project, uint64_t now, struct error *err)
{
	config_error(&project->config, config_position(&project->config, "disk"), err,
		     "the disk has %" PRIu64 " MiB, and a disk does not shrink", now >> 20);
	return error_hint(err,
			  "write 'disk: %" PRIu64 "M' or more, or make the sandbox anew: "
			  "'migrant destroy', 'migrant up'",
			  now >> 20);
}

/* Grows the disk as the guest sees it. *ret_grown: it was smaller. */
static int grow_disk(const struct project *project, bool *ret_grown, struct error *err)
{
	uint64_t wanted = project->config.disk;
	virDomainPtr handle = project->domain.handle;
	virDomainBlockInfo info;

	if (ask_answers(handle, ASK_SECONDS, err) < 0)
		return -1;
	if (virDomainGetBlockInfo(handle, DOMAIN_DISK_TARGET, &info, 0) < 0)
		return libvirt_error(err, EX_SOFTWARE, "cannot look at the disk");
	if (info.capacity > wanted)
		return refuse_to_shrink(project, info.capacity, err);
	*ret_grown = info.capacity < wanted;
	if (*ret_grown && virDomainBlockResize(handle, DOMAIN_DISK_TARGET, wanted,
					       VIR_DOMAIN_BLOCK_RESIZE_BYTES) < 0)
		return libvirt_error(err, EX_IOERR, "cannot make the disk larger");
	return 0;
}

static int grow_file_system(const struct project *project, struct error *err)
{
	_cleanup_access_ struct project_access access = {0};
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
	_cleanup_free_ char *script =
		text_format("disk=" DOMAIN_DISK_TARGET "\nsize=%" PRIu64 "\n%s",
			    project->config.disk, grow_script);
	_cleanup_free_ char *reason = NULL;
	int status = 0;

	if (project_find_access(project, &access, err) < 0 ||
	    ssh_script(&access.access, script, ANSWER_MAX, &answer, &status, err) < 0)
		return error_hint(err, "the disk is large enough; 'migrant resize' again grows "
				       "the file system on it");
	if (status == 0)
		return 0;
	reason = text_last_line(strbuf_text(&answer));
	return error_set(err, EX_SOFTWARE,
			 "the disk has grown, but its file system in the guest has not: %s",
			 *reason ? reason : "its shell failed");
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	bool grown = false;

	if (open_running(&project, invocation, err) < 0 || grow_disk(&project, &grown, err) < 0 ||
	    grow_file_system(&project, err) < 0)
		return -1;
	log_step("%s: the disk %s %" PRIu64 " MiB", project.config.name,
		 grown ? "has grown to" : "already has", project.config.disk >> 20);
	outdated_say(&project);
	return 0;
}

const struct command command_resize = {
	.name = "resize",
	.group = "lifecycle",
	.summary = "grow the running sandbox's disk to the Migrantfile's `disk`",
	.example = "migrant resize",
	.details = "The root file system grows with it. A disk does not shrink.\n"
		   "A changed `cpus` or `memory` counts from the next start: 'migrant reload'.\n",
	.operands = "[NAME]",
	.operands_max = 1,
	.takes_name = true,
	.run = run,
};
