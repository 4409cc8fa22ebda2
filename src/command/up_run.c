/*
 * The steps of `up` that bring the guest to life. It is started paused and runs only when root's
 * own record says that its gateway stands and somebody listens to it.
 */
#include "command/up.h"

#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
#include "command/drift.h"
#include "command/helper.h"
#include "command/volumes.h"
#include "domain/libvirt.h"
#include "domain/memory.h"
#include "seed/seed.h"

#define CONSOLE_LINES	15
#define RELEASE_SECONDS 15 /* for the guest to let go of its seed */

static const struct metadata *metadata_of(const struct up *up)
{
	return &up->project.domain.definition.metadata;
}

/* Shows what the guest said last below the error. */
static int show_console(const struct up *up, struct error *err)
{
	_cleanup_free_ char *lines = tail_lines(&up->console, CONSOLE_LINES);
	_cleanup_free_ char *detail =
		text_format("The last lines on its console:\n%s", *lines ? lines : "(nothing)");

	return error_detail(err, detail);
}

/*
 * What is left of an earlier run: a guest that was never let run, or that nobody waited for. Its
 * disk holds nothing yet. What a killed hook has left in the kernel the helper takes away.
 */
int up_clear(struct up *up, struct error *err)
{
	log_info("an earlier 'up' was cut off; beginning anew");
	if (domain_kill(up->project.domain.handle, err) < 0)
		return -1;
	if (domain_forget_memory(up->project.domain.handle, err) < 0)
		return -1;
	return helper_cleanup(up->project.config.name, err);
}

static int start_paused(struct up *up, struct error *err)
{
	/* An attempt to go on from memory has taken what was staged. */
	if (up->rewind && up->wireguard && up_stage(up, err) < 0)
		return -1;
	if (domain_start_paused(up->project.domain.handle, err) < 0)
		return up->project.domain.definition.uefi ? error_hint(err, UEFI_HINT) : -1;
	return 0;
}

int up_start(struct up *up, struct error *err)
{
	const struct domain_spec spec = {.accel = up->accel, .memory = up->project.config.memory};
	_cleanup_error_ struct error no_limit = ERROR_INIT;

	if (domain_unlimit_saved(up->project.domain.handle, err) < 0)
		return -1;
	if (!up_from_memory(up) && start_paused(up, err) < 0)
		return -1;
	if (domain_limit_memory(up->project.domain.handle, domain_memory_limit(&spec), &no_limit) <
	    0)
		log_warning("%s", no_limit.message);
	return 0;
}

/* A guest that has not run since it was suspended is as it was. */
static bool save_again(const struct up *up)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	virDomainPtr handle = up->project.domain.handle;

	return up->suspended && !up->restored && domain_current_state(handle) == DOMAIN_PAUSED &&
	       domain_save_memory(handle, &ignored) == 0;
}

int up_start_undo(struct up *up, struct error *err)
{
	if (!up->project.domain.handle)
		return 0;
	watch_end(&up->watch);
	if (save_again(up))
		return 0;
	return domain_kill(up->project.domain.handle, err);
}

static int no_gateway(struct error *err, const char *why)
{
	error_set(err, EX_SOFTWARE,
		  "the guest was not let run, for nothing proves that it is isolated: %s", why);
	return error_hint(err, "the hook did not do its work; run: sudo migrant setup");
}

int up_join(struct up *up, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;

	return helper_run("join", up->project.config.name, &answer, err);
}

/* The record is root's word: it lies where only root writes, and names this very domain. */
int up_verify(struct up *up, struct error *err)
{
	const struct metadata *metadata = metadata_of(up);
	_cleanup_record_ struct record record = {0};
	_cleanup_error_ struct error why = ERROR_INIT;
	char tap[LINK_NAME_MAX];

	tap_name(metadata->uuid, tap);
	if (record_load(metadata->name, &record, &why) < 0)
		return no_gateway(err, why.message);
	if (!text_equal(record.uuid, metadata->uuid) || !text_equal(record.tap, tap) ||
	    record.owner != metadata->owner)
		return no_gateway(err, "the hook's record is of another sandbox");
	if (strverscmp(record.hook_version, MIGRANT_VERSION) < 0) {
		error_set(err, EX_UNAVAILABLE, "the hook has version %s, older than this program",
			  record.hook_version);
		return error_hint(err, "run: sudo migrant setup");
	}
	/* What the kernel has, not only what the hook says, before the guest's first instruction.
	 */
	if (drift_check(&up->project, err) < 0)
		return -1;
	return project_find_access(&up->project, &up->access, err);
}

int up_listen(struct up *up, struct error *err)
{
	virDomainPtr handle = up->project.domain.handle;

	up->console_reader = (struct reader){.add = reader_to_tail, .sink = &up->console};
	up->ready_reader = (struct reader){.add = reader_to_ready, .sink = &up->ready};
	if (watch_begin(&up->watch, handle, err) < 0 ||
	    reader_open(&up->console_reader, handle, NULL, err) < 0)
		return -1;
	return reader_open(&up->ready_reader, handle, READY_CHANNEL, err);
}

int up_resume(struct up *up, struct error *err)
{
	return domain_resume(up->project.domain.handle, err);
}

/* On a terminal the last line of its console stands below, as far as it has got. */
static void show_stage(const struct up *up)
{
	_cleanup_free_ char *line = tail_lines(&up->console, 1);

	line[strcspn(line, "\n")] = '\0';
	if (*line)
		log_status(line);
}

bool up_is_over(const struct up *up)
{
	return up->ready.seen || up->watch.stopped || up->watch.io_error;
}

static bool ready_or_over(void *data)
{
	show_stage(data);
	return up_is_over(data);
}

int up_judge(struct up *up, struct error *err)
{
	if (up->watch.io_error) {
		error_set(err, EX_IOERR, "the guest was paused: the host cannot write its disk");
		return error_hint(err, "free some space; 'migrant box prune' removes unused boxes");
	}
	if (up->watch.stopped) {
		error_set(err, EX_SOFTWARE, "the guest stopped before it was up: %s",
			  watch_stop_reason(&up->watch));
		return show_console(up, err);
	}
	if (up->ready.seen)
		return 0;
	error_set(err, EX_TEMPFAIL, "the guest did not come up within %u s", up->timeout);
	return show_console(up, err);
}

static int wait_ready(struct up *up, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	int result = wait_until(up->project.connection, ready_or_over, up, up->timeout, &why);

	log_status(NULL);
	if (result < 0 && why.code != EX_TEMPFAIL) {
		error_move(err, &why);
		return -1;
	}
	return up_judge(up, err);
}

/* A guest whose memory went on is there at once, unless it was cut off in its boot. */
int up_ready(struct up *up, struct error *err)
{
	return up->adopted ? 0 : wait_ready(up, err);
}

/* The first connection; one that has slept is told the time with it. */
static int greet(struct up *up, struct error *err)
{
	return up->suspended ? up_wake(up, err) : ssh_confirm(&up->access.access, err);
}

int up_confirm(struct up *up, struct error *err)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;

	if (up->adopted && greet(up, &ignored) == 0)
		return 0;
	if (up->adopted && wait_ready(up, err) < 0)
		return -1;
	if (greet(up, err) < 0)
		return show_console(up, err);
	return 0;
}

/*
 * The first boot is through: the guest keeps what it needs, and the seed with its host key goes. A
 * guest that does not let go of the device keeps a view of the deleted file until it is halted.
 */
int up_settle(struct up *up, struct error *err)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;

	reader_close(&up->ready_reader);
	if (!up->fresh)
		return 0;
	if (domain_detach_seed(&up->watch, RELEASE_SECONDS, &ignored) < 0) {
		if (ignored.code != EX_TEMPFAIL) {
			error_move(err, &ignored);
			return -1;
		}
		log_warning("the guest does not let go of its seed; it is gone at its next start");
	}
	up->project.domain.definition.metadata.booted = true;
	if (up_define_booted(up, err) < 0)
		return -1;
	return sandbox_volume_delete(up->pool, VOLUME_SEED, metadata_of(up)->uuid, err);
}
