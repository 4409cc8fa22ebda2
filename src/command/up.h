/*
 * The steps of `up`: what they share, and the functions that the table in up.c lists.
 */
#ifndef COMMAND_UP_H
#define COMMAND_UP_H

#include "box/box.h"
#include "command/project.h"
#include "domain/accel.h"
#include "domain/streams.h"
#include "layer/layer.h"
#include "tunnel/wireguard.h"

enum up_provision { UP_PROVISION_FIRST, UP_PROVISION_NEVER, UP_PROVISION_ALWAYS };

struct up {
	const struct invocation *invocation;
	unsigned int timeout; /* seconds for the guest to come up */
	enum up_provision provision;
	bool waits_for_handshake;
	bool only_looks; /* up_look() */

	struct project project; /* its domain's definition becomes what will be defined */
	virStoragePoolPtr pool;
	struct box box;	    /* empty when it is not installed any more */
	bool fresh;	    /* made by this run or never booted: nothing in it is worth keeping */
	bool existed;	    /* the domain was there before this run */
	bool keeps_base;    /* the box was built anew since: the sandbox keeps the base it has */
	bool adopted;	    /* its memory goes on: it was paused or saved after its first boot */
	bool suspended;	    /* … saved: its clock stood still */
	bool restored;	    /* … with a snapshot, where it still is */
	bool finished;	    /* it runs already */
	bool had_shares;    /* as it ran last */
	const char *rewind; /* the snapshot that it is put back to first, or NULL */
	char **folders;	    /* of shares, made by this run, outermost first */
	size_t folder_count;

	struct wireguard *wireguard; /* the tunnel's file; NULL: no tunnel */
	struct tunnel tunnel;	     /* its public facts */

	bool ignores_layer;	    /* --fresh */
	struct layer_inputs inputs; /* what its layer is made from … */
	char *layer_key;	    /* … and their key; NULL: nothing to keep or to start from */
	struct layer layer;	    /* the one that it starts from; empty: none */
	char *no_layer;		    /* why it starts from none */

	enum domain_accel accel;
	char *key, *public_key;
	char *host_key; /* private half of the guest's new host key, until the seed is stored */

	struct watch watch;
	struct reader console_reader, ready_reader;
	struct tail console;
	struct ready ready;
	struct project_access access;
};

struct up_step {
	const char *name;
	/* What it does to the host, for `plan`; NULL: it only looks. The caller frees. */
	char *(*what)(const struct up *up);
	/* NULL: always. */
	bool (*applies)(const struct up *up);
	int (*apply)(struct up *up, struct error *err);
	/*
	 * Undoes it, whether it was completed or not; called in reverse order. NULL: nothing to do.
	 */
	int (*undo)(struct up *up, struct error *err);
	/* Shown while it is done; NULL: too short to tell. */
	const char *message;
	/* When it is through, the sandbox is complete: what fails afterwards undoes nothing. */
	bool settles;
};

#define UP_SECONDS 600 /* for the guest: under TCG on a busy machine a boot takes minutes */

#define UEFI_HINT "UEFI needs QEMU's firmware: sudo apt install ovmf (or edk2-ovmf)"

/* The table, which ends with an entry without a name. */
extern const struct up_step up_steps[];

/*
 * Does the steps that only look, as far as they can be done, to say what the others would do:
 * `plan`. Stops with their error.
 */
MUST_CHECK int up_look(struct up *up, struct error *err);

#define UP_INIT                                              \
	{                                                    \
		.project = PROJECT_INIT, .watch = WATCH_INIT \
	}
/* `reset`: puts the disk back to the snapshot @name and does the steps. The name is borrowed. */
MUST_CHECK int reset_run(struct up *up, const char *name, struct error *err);

/* Sets what does not come from the command line: defaults of `up`. */
void up_begin(struct up *up, const struct invocation *invocation);
/* Does the steps, and undoes them when one fails. */
MUST_CHECK int up_run(struct up *up, struct error *err);
/* Whether this run writes to the guest's disk once it has booted: mounts its shares, provisions it.
 */
bool up_works_in_guest(const struct up *up);
/* When to provision, by --[no-]provision. */
enum up_provision up_provision_of(const struct invocation *invocation);
void up_done(struct up *up);
#define _cleanup_up_ _cleanup_(up_done)

/* Looking (up_look.c). */
int up_config(struct up *up, struct error *err);
int up_lock(struct up *up, struct error *err);
int up_connect(struct up *up, struct error *err);
int up_hook(struct up *up, struct error *err);
int up_find(struct up *up, struct error *err);
int up_policy(struct up *up, struct error *err);
int up_box(struct up *up, struct error *err);
int up_preflight(struct up *up, struct error *err);
int up_ports(struct up *up, struct error *err); /* up_ports.c */

/* Making (up_make.c). */
int up_claim(struct up *up, struct error *err);
int up_claim_undo(struct up *up, struct error *err);
int up_disk(struct up *up, struct error *err);
int up_disk_undo(struct up *up, struct error *err);
int up_kernel(struct up *up, struct error *err);
int up_kernel_undo(struct up *up, struct error *err);
int up_accel(struct up *up, struct error *err);
int up_keys(struct up *up, struct error *err);
int up_seed(struct up *up, struct error *err);
int up_seed_undo(struct up *up, struct error *err);
int up_define(struct up *up, struct error *err);
int up_define_booted(struct up *up, struct error *err);
int up_new_uuid(char **ret_uuid, struct error *err);

/* Shares (up_shares.c). */
int up_look_shares(struct up *up, struct error *err);
int up_folders(struct up *up, struct error *err);
int up_folders_undo(struct up *up, struct error *err);
int up_mount_shares(struct up *up, struct error *err);
char *up_what_folders(const struct up *up);
char *up_what_shares(const struct up *up);

/* Layers (up_layer.c). */
int up_find_layer(struct up *up, struct error *err);
int up_make_layer(struct up *up, struct error *err);
bool up_may_make_layer(const struct up *up);
char *up_what_layer(const struct up *up);

/* The tunnel (up_tunnel.c). */
int up_tunnel(struct up *up, struct error *err);
int up_stage(struct up *up, struct error *err);
int up_handshake(struct up *up, struct error *err);
char *up_what_stage(const struct up *up);
char *up_what_answer(const struct up *up);

/* What the user wants around it (up_user.c). */
int up_pre_up(struct up *up, struct error *err);
int up_run_provision(struct up *up, struct error *err);
int up_post_up(struct up *up, struct error *err);
/* `connect:`, when all is done and the lock is not needed any more. */
MUST_CHECK int up_go_in(struct up *up, struct error *err);

/* Running (up_run.c). */
int up_clear(struct up *up, struct error *err);
int up_start(struct up *up, struct error *err);
int up_start_undo(struct up *up, struct error *err);
int up_join(struct up *up, struct error *err);
int up_verify(struct up *up, struct error *err);
int up_listen(struct up *up, struct error *err);
int up_resume(struct up *up, struct error *err);
int up_ready(struct up *up, struct error *err);
/* Whether waiting for the guest has an end, and which: also one that took longer than it may. */
bool up_is_over(const struct up *up);
MUST_CHECK int up_judge(struct up *up, struct error *err);
int up_confirm(struct up *up, struct error *err);
int up_settle(struct up *up, struct error *err);

/* Going on from saved memory (up_suspended.c). */
int up_attach(struct up *up, struct error *err);
bool up_attaches(const struct up *up);
char *up_what_attach(const struct up *up);
/* Its first connection: tells it the time and gives it new randomness. Errors as ssh_run(). */
MUST_CHECK int up_wake(struct up *up, struct error *err);

/* Snapshots (up_snapshots.c). */
int up_look_back(struct up *up, struct error *err);
int up_rewind(struct up *up, struct error *err);
int up_keep(struct up *up, struct error *err);
int up_keep_now(struct up *up, struct error *err); /* of a guest that has written all out */
char *up_what_rewind(const struct up *up);
char *up_what_keep(const struct up *up);
bool up_rewinds(const struct up *up);
bool up_is_reset(const struct up *up); /* what no hook of the user's can stop */
bool up_keeps(const struct up *up);
/* Starts it from the memory of the snapshot; false, and why is said, when it has to boot. */
bool up_from_memory(struct up *up);

#endif
