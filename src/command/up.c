/*
 * `migrant up`: the table below is what it does, in this order. A failing step ends it; what was
 * made until then is undone in reverse order. A sandbox that this run makes leaves nothing behind;
 * one that was there before goes back to halted with its disk kept. What a kill -9 leaves, the next
 * `up` finds (up_find, up_clear) and the domain's definition says whose it is.
 */
#include "command/up.h"

#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"
#include "command/volumes.h"
#include "provision/provision.h"

static bool is_fresh(const struct up *up)
{
	return up->fresh;
}

static bool is_leftover(const struct up *up)
{
	return up->existed && up->fresh;
}

/* A guest whose memory goes on is not made anew. */
static bool is_started_anew(const struct up *up)
{
	return !up->adopted;
}

/* A paused guest has been started, a saved one has not. */
static bool needs_start(const struct up *up)
{
	return up->project.domain.state != DOMAIN_PAUSED || up->fresh;
}

/* A guest that stands still has had its gateway all the time. */
static bool goes_on(const struct up *up)
{
	return up->adopted && up->project.domain.state == DOMAIN_PAUSED;
}

static bool needs_kernel(const struct up *up)
{
	return !up->adopted && up->project.domain.definition.kernel;
}

static bool wants_shares(const struct up *up)
{
	return up->project.config.share_count > 0;
}

static bool needs_folders(const struct up *up)
{
	return !up->adopted && wants_shares(up);
}

/* Also one whose Migrantfile names no share any more: what it had mounted goes. */
static bool mounts_shares(const struct up *up)
{
	return wants_shares(up) || up->had_shares;
}

static bool wants_tunnel(const struct up *up)
{
	return up->wireguard && needs_start(up);
}

static bool wants_answer(const struct up *up)
{
	return wants_tunnel(up) && up->waits_for_handshake;
}

static bool wants_provision(const struct up *up)
{
	if (up->project.config.provision_count == 0 || up->layer.key)
		return false;
	return up->provision == UP_PROVISION_ALWAYS ||
	       (up->provision == UP_PROVISION_FIRST && up->fresh);
}

bool up_works_in_guest(const struct up *up)
{
	return mounts_shares(up) || wants_provision(up);
}

static bool has_hooks(const struct up *up)
{
	return up->project.config.hooks;
}

static char *what_pre_up(const struct up *up)
{
	return text_format("run the hook %s/pre-up, if it is there", up->project.config.hooks);
}

static char *what_post_up(const struct up *up)
{
	return text_format("run the hook %s/post-up, if it is there", up->project.config.hooks);
}

static char *what_clear(const struct up *up)
{
	return text_format("end what an earlier 'up' left half-made (%s)",
			   domain_state_name(up->project.domain.state));
}

static char *what_claim(const struct up *up)
{
	return text_format("define the libvirt domain " SANDBOX_PREFIX "%s, owned by you and by %s",
			   up->project.config.name, up->project.config.directory);
}

static char *what_disk(const struct up *up)
{
	if (up->layer.key)
		return text_format("make an overlay of at most %llu MiB over the layer %.12s of "
				   "%s (made in %s): it is provisioned already",
				   (unsigned long long)(up->project.config.disk >> 20),
				   up->layer.key, up->layer.created, up->layer.directory);
	return text_format("make an overlay of at most %llu MiB over %s in the pool '" POOL_NAME
			   "'",
			   (unsigned long long)(up->project.config.disk >> 20), up->box.image);
}

static char *what_kernel(const struct up *up)
{
	const char *image = up->project.config.kernel_image;

	return text_format(
		"copy kernel and initial RAM disk %s%s into the pool",
		image ? "of the Migrantfile: " : "of the box: ", image ? image : up->box.name);
}

static char *what_accel(const struct up *up)
{
	if (up->project.config.accel == ACCEL_TCG)
		return text_dup("use QEMU's emulation (accel: tcg)");
	return text_dup("see whether KVM runs a tiny guest here, once per boot of the host");
}

static char *what_keys(const struct up *up)
{
	(void)up;
	return text_dup("make the managed SSH key unless it is there, and the guest's host key");
}

static char *what_seed(const struct up *up)
{
	if (up->layer.key)
		return text_dup("store the seed: host name and host key, what else there is of "
				"its own the guest makes itself");
	return text_format("store the seed of its first boot: user '%s', keys, network%s",
			   up->project.config.user,
			   up->project.config.cloud_init ? ", your cloud-init.yml" : "");
}

static char *what_start(const struct up *up)
{
	return text_format("start the guest paused: %u CPUs, %llu MiB; the hook makes network "
			   "namespace " SANDBOX_PREFIX "%s, its rules and links",
			   up->project.config.cpus,
			   (unsigned long long)(up->project.config.memory >> 20),
			   up->project.config.name);
}

static char *what_join(const struct up *up)
{
	(void)up;
	return text_dup("connect its network again, if `panic` has cut it off");
}

static char *what_verify(const struct up *up)
{
	return text_format("verify the hook's record in " RUN_DIR "/%s", up->project.config.name);
}

static char *what_resume(const struct up *up)
{
	(void)up;
	return text_dup("let the guest run");
}

static char *what_ready(const struct up *up)
{
	return text_format("wait for it, at most %u s", up->timeout);
}

static char *what_confirm(const struct up *up)
{
	return text_format("connect once by SSH, with the host key pinned%s",
			   up->suspended ? ", to set its clock and give it new randomness" : "");
}

static char *what_settle(const struct up *up)
{
	return up->fresh ? text_dup("take the seed out of the guest and delete it") : NULL;
}

static char *what_provision(const struct up *up)
{
	return text_format("run %zu provisioner%s", up->project.config.provision_count,
			   up->project.config.provision_count == 1 ? "" : "s");
}

/* NOLINTBEGIN(bugprone-macro-parentheses): members of an initialiser */
#define STEP(step, does, when, with, back) \
	.name = step, .what = does, .applies = when, .apply = with, .undo = back
/* NOLINTEND(bugprone-macro-parentheses) */

/* clang-format off */
const struct up_step up_steps[] = {
	/*    name         what it does     applies          apply             undo */
	{STEP("config",    NULL,            NULL,            up_config,        NULL)},
	{STEP("lock",      NULL,            NULL,            up_lock,          NULL)},
	{STEP("connect",   NULL,            NULL,            up_connect,       NULL)},
	{STEP("hook",      NULL,            NULL,            up_hook,          NULL)},
	{STEP("find",      NULL,            NULL,            up_find,          NULL)},
	{STEP("policy",    NULL,            NULL,            up_policy,        NULL)},
	{STEP("tunnel",    NULL,            NULL,            up_tunnel,        NULL)},
	{STEP("box",       NULL,            is_started_anew, up_box,           NULL)},
	{STEP("inputs",    NULL,            is_started_anew, up_find_layer,    NULL)},
	{STEP("preflight", NULL,            is_started_anew, up_preflight,     NULL)},
	{STEP("ports",     NULL,            is_started_anew, up_ports,         NULL)},
	{STEP("shares",    NULL,            needs_folders,   up_look_shares,   NULL)},
	{STEP("pre-up",    what_pre_up,     has_hooks,       up_pre_up,        NULL)},
	{STEP("snapshot",  NULL,            up_rewinds,      up_look_back,     NULL)},
	{STEP("rewind",    up_what_rewind,  up_rewinds,      up_rewind,        NULL),
	 .message = "putting the disk back"},
	{STEP("clear",     what_clear,      is_leftover,     up_clear,         NULL)},
	{STEP("claim",     what_claim,      is_fresh,        up_claim,         up_claim_undo),
	 .message = "making the sandbox"},
	{STEP("disk",      what_disk,       is_fresh,        up_disk,          up_disk_undo)},
	{STEP("kernel",    what_kernel,     needs_kernel,    up_kernel,        up_kernel_undo)},
	{STEP("folders",   up_what_folders, needs_folders,   up_folders,       up_folders_undo)},
	{STEP("accel",     what_accel,      is_started_anew, up_accel,         NULL)},
	{STEP("keys",      what_keys,       is_fresh,        up_keys,          NULL)},
	{STEP("seed",      what_seed,       is_fresh,        up_seed,          up_seed_undo)},
	{STEP("define",    NULL,            is_started_anew, up_define,        NULL)},
	{STEP("stage",     up_what_stage,   wants_tunnel,    up_stage,         NULL)},
	{STEP("start",     what_start,      needs_start,     up_start,         up_start_undo),
	 .message = "starting the guest"},
	{STEP("join",      what_join,       goes_on,         up_join,          NULL)},
	{STEP("attach",    up_what_attach,  up_attaches,     up_attach,        NULL)},
	{STEP("verify",    what_verify,     NULL,            up_verify,        NULL)},
	{STEP("handshake", up_what_answer,  wants_answer,    up_handshake,     NULL),
	 .message = "waiting for the tunnel's peer"},
	{STEP("listen",    NULL,            NULL,            up_listen,        NULL)},
	{STEP("resume",    what_resume,     NULL,            up_resume,        NULL)},
	{STEP("ready",     what_ready,      NULL,            up_ready,         NULL),
	 .message = "waiting for the guest"},
	{STEP("confirm",   what_confirm,    NULL,            up_confirm,       NULL)},
	{STEP("mount",     up_what_shares,  mounts_shares,   up_mount_shares,  NULL)},
	{STEP("settle",    what_settle,     NULL,            up_settle,        NULL),
	 .settles = true},
	{STEP("provision", what_provision,  wants_provision, up_run_provision, NULL),
	 .message = "provisioning"},
	{STEP("layer",     up_what_layer,   up_may_make_layer, up_make_layer,  NULL)},
	{STEP("keep",      up_what_keep,    up_keeps,        up_keep,          NULL)},
	{STEP("post-up",   what_post_up,    has_hooks,       up_post_up,       NULL)},
	{.name = NULL},
};
/* clang-format on */

void up_begin(struct up *up, const struct invocation *invocation)
{
	up->invocation = invocation;
	up->timeout = UP_SECONDS;
	up->waits_for_handshake = true;
}

void up_done(struct up *up)
{
	reader_close(&up->console_reader);
	reader_close(&up->ready_reader);
	watch_end(&up->watch);
	project_access_done(&up->access);
	if (up->host_key)
		explicit_bzero(up->host_key, strlen(up->host_key));
	free(up->host_key);
	if (up->wireguard)
		wireguard_done(up->wireguard);
	free(up->wireguard);
	free(up->key);
	free(up->public_key);
	free_list(up->folders);
	layer_done(&up->layer);
	layer_inputs_done(&up->inputs);
	free(up->layer_key);
	free(up->no_layer);
	box_done(&up->box);
	cleanup_pool(&up->pool);
	project_done(&up->project);
}

/* Undoes the steps before @end in reverse order. What cannot be undone is said; the rest goes on.
 */
static void undo(struct up *up, const struct up_step *end)
{
	interrupt_hold_off();
	while (end-- > up_steps) {
		_cleanup_error_ struct error err = ERROR_INIT;

		if (!end->undo || (end->applies && !end->applies(up)))
			continue;
		if (end->undo(up, &err) < 0) {
			log_warning("%s", err.message);
			log_info("'migrant destroy' tries again");
		}
	}
}

static int run_steps(struct up *up, struct error *err)
{
	bool settled = false;

	for (const struct up_step *step = up_steps; step->name && !up->finished; step++) {
		int result = 0;

		if (step->applies && !step->applies(up))
			continue;
		if (interrupt_pending())
			result = interrupt_error(err);
		if (result == 0 && step->message)
			log_step("%s: %s", up->project.config.name, step->message);
		if (result == 0)
			result = step->apply(up, err);
		if (result < 0) {
			if (!settled)
				undo(up, step + 1);
			return -1;
		}
		/* a guest that goes on has what is lost with it in its memory */
		settled = settled || step->settles || (up->adopted && step->apply == up_resume);
	}
	return 0;
}

int up_look(struct up *up, struct error *err)
{
	up->only_looks = true;
	for (const struct up_step *step = up_steps; step->name && !up->finished; step++) {
		if (step->what || step->apply == up_lock || step->apply == up_define ||
		    step->apply == up_listen || (step->applies && !step->applies(up)))
			continue;
		if (step->apply(up, err) < 0)
			return -1;
	}
	return 0;
}

enum up_provision up_provision_of(const struct invocation *invocation)
{
	if (option_values(invocation, "provision")->count == 0)
		return UP_PROVISION_FIRST;
	return option_switch(invocation, "provision", true) ? UP_PROVISION_ALWAYS
							    : UP_PROVISION_NEVER;
}

int up_run(struct up *up, struct error *err)
{
	interrupt_catch();
	if (run_steps(up, err) < 0)
		return -1;
	if (!up->finished)
		log_step("%s: up; 'migrant ssh' goes in", up->project.config.name);
	return up->project.config.connect == CONNECT_NONE ? 0 : up_go_in(up, err);
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_up_ struct up up = UP_INIT;

	up_begin(&up, invocation);
	up.timeout = (unsigned int)option_number(invocation, "timeout", UP_SECONDS);
	up.provision = up_provision_of(invocation);
	up.waits_for_handshake = option_switch(invocation, "handshake", true);
	up.ignores_layer = option_flag(invocation, "fresh");
	return up_run(&up, err);
}

static const struct option options[] = {
	{0, "provision", OPTION_SWITCH, NULL, "provision also (or not) beyond the first start"},
	{0, "handshake", OPTION_SWITCH, NULL, "wait (or do not) for the tunnel's peer to answer"},
	{0, "fresh", OPTION_FLAG, NULL, "start from the box, not from a layer, and make that anew"},
	{0, "timeout", OPTION_NUMBER, "S", "seconds to wait for the guest (600)"},
	{0},
};

const struct command command_up = {
	.name = "up",
	.group = "lifecycle",
	.operands = "[NAME]",
	.operands_max = 1,
	.takes_name = true,
	.summary = "make and start the sandbox",
	.example = "migrant up --no-provision",
	.details = "A sandbox that runs already is fine. 'migrant plan' shows the steps.\n"
		   "What the first one has made is kept as a layer: the next sandbox with the same "
		   "inputs\nstarts from it, provisioned.\n"
		   "Ctrl-C undoes what was done and exits with 130.\n",
	.options = options,
	.run = run,
};
