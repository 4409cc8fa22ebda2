/*
 * The steps of `up` that know of snapshots: `reset` is an `up` that puts the disk back first, and
 * every sandbox keeps what it was after its first `up` to be reset to.
 */
#include "base/log.h"
#include "base/text.h"
#include "command/disks.h"
#include "command/hooks.h"
#include "command/memories.h"
#include "command/up.h"

bool up_rewinds(const struct up *up)
{
	return up->rewind != NULL;
}

/* Before anything has been changed. */
int up_look_back(struct up *up, struct error *err)
{
	return disks_check(&up->project, up->rewind, err);
}

bool up_is_reset(const struct up *up)
{
	return up->rewind && text_equal(up->invocation->command->name, "reset");
}

int up_rewind(struct up *up, struct error *err)
{
	const char *trigger = up->invocation->command->name;
	bool runs = project_has_guest(&up->project);

	if (runs && !up_is_reset(up) && hooks_before(&up->project, "pre-down", trigger, err) < 0)
		return -1;
	if (runs && up_is_reset(up))
		hooks_tell(&up->project, "pre-down", trigger);
	if (disks_rewind(&up->project, up->rewind, err) < 0)
		return -1;
	if (runs)
		hooks_tell(&up->project, "post-down", trigger);
	up->adopted = false;
	return 0;
}

bool up_from_memory(struct up *up)
{
	const struct snapshot *snapshot =
		up->rewind ? snapshots_find(&up->project.domain.definition.snapshots, up->rewind)
			   : NULL;
	_cleanup_error_ struct error why = ERROR_INIT;

	if (!snapshot || !snapshot->memory)
		return false;
	if (memory_restore(&up->project, snapshot, &why) < 0) {
		log_warning("the guest boots from its disk: %s", why.message);
		return false;
	}
	up->adopted = up->suspended = up->restored = true;
	return true;
}

char *up_what_rewind(const struct up *up)
{
	return text_format("put the disk back to the snapshot '%s'", up->rewind);
}

bool up_keeps(const struct up *up)
{
	const struct definition *definition = &up->project.domain.definition;

	return !up->rewind && !snapshots_find(&definition->snapshots, SNAPSHOT_UP);
}

char *up_what_keep(const struct up *up)
{
	(void)up;
	return text_dup("keep the disk as it is then, for 'migrant reset'");
}

int up_keep(struct up *up, struct error *err)
{
	/* A guest writes everything out before it says that its first boot is through. */
	if (!up->fresh || up_works_in_guest(up))
		disks_sync(&up->project);
	return up_keep_now(up, err);
}

/* The guest is up: what fails here is worth a word, not the work that was done. */
int up_keep_now(struct up *up, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;

	(void)err;
	if (disks_save(&up->project, SNAPSHOT_UP, NULL, false, &why) < 0)
		log_warning("the state after 'up' is not kept, so 'migrant reset' has none until "
			    "the next 'migrant up': %s",
			    why.message);
	return 0;
}
