/* The table of commands, in the order in which the help lists them. */
#include "command/command.h"

extern const struct command command_version;
extern const struct command command_setup;
extern const struct command command_doctor;
extern const struct command command_pubkey;
extern const struct command command_validate;
extern const struct command command_init;
extern const struct command command_completion;
extern const struct command command_plan;
extern const struct command command_up;
extern const struct command command_halt;
extern const struct command command_destroy;
extern const struct command command_status;
extern const struct command command_global_status;
extern const struct command command_ssh;
extern const struct command command_ssh_config;
extern const struct command command_tunnel;
extern const struct command command_port;
extern const struct command command_console;
extern const struct command command_exec;
extern const struct command command_cp;
extern const struct command command_ip;
extern const struct command command_logs;
extern const struct command command_mount;
extern const struct command command_unmount;
extern const struct command command_provision;
extern const struct command command_storage;
extern const struct command command_snapshot;
extern const struct command command_reset;
extern const struct command command_fork;
extern const struct command command_suspend;
extern const struct command command_resume;
extern const struct command command_reload;
extern const struct command command_resize;
extern const struct command command_panic;
extern const struct command command_policy;
extern const struct command command_wg;

/* One a line, so that a new command is a line of its own. */
/* clang-format off */
extern const struct command command_box;

const struct command *const commands[] = {
	&command_setup,
	&command_doctor,
	&command_version,
	&command_completion,
	&command_init,
	&command_validate,
	&command_plan,
	&command_up,
	&command_halt,
	&command_reload,
	&command_resize,
	&command_suspend,
	&command_resume,
	&command_destroy,
	&command_status,
	&command_global_status,
	&command_snapshot,
	&command_reset,
	&command_fork,
	&command_ssh,
	&command_ssh_config,
	&command_exec,
	&command_cp,
	&command_tunnel,
	&command_port,
	&command_console,
	&command_ip,
	&command_logs,
	&command_pubkey,
	&command_mount,
	&command_unmount,
	&command_provision,
	&command_policy,
	&command_wg,
	&command_panic,
	&command_box,
	&command_storage,
	NULL,
};
/* clang-format on */
