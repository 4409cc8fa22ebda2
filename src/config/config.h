/*
 * The Migrantfile as a plain value. The parser fills it, everybody else reads it; neither knows the
 * other. Every value that a person can write has its position, so that whoever refuses it later can
 * still say where it stands.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/parse.h"

/* Line and column, from 1; line 0: not written in the file (a default). */
struct position {
	unsigned int line;
	unsigned int column;
};

enum config_boot { BOOT_AUTO, BOOT_KERNEL, BOOT_BIOS, BOOT_UEFI };
enum config_accel { ACCEL_AUTO, ACCEL_KVM, ACCEL_TCG };
enum config_egress { EGRESS_OPEN, EGRESS_NONE, EGRESS_LIST };
enum config_connect { CONNECT_NONE, CONNECT_SSH, CONNECT_CONSOLE };
enum config_protocol { PROTOCOL_ANY, PROTOCOL_TCP, PROTOCOL_UDP };

struct config_share {
	char *host;    /* relative to the Migrantfile, without "." and "..", inside it */
	char *guest;   /* absolute */
	uint64_t size; /* bytes */
	bool read_only;
	bool isolate;
	bool reserve; /* the image takes its whole size from the host's disk */
	struct position position, host_position, guest_position;
};

enum config_allow_kind { ALLOW_HOST, ALLOW_LAN, ALLOW_FORWARD };

struct config_allow {
	enum config_allow_kind kind;
	enum config_protocol protocol; /* PROTOCOL_ANY only for ALLOW_LAN */
	uint16_t port;		       /* host or gateway port; ALLOW_LAN: 0 is any */
	struct address address;	       /* ALLOW_LAN, ALLOW_FORWARD: the target */
	uint16_t target_port;	       /* ALLOW_FORWARD */
	bool via_tunnel;	       /* ALLOW_FORWARD */
	struct position position;
};

struct config_port {
	struct address bind; /* loopback unless written */
	uint16_t host, guest;
	struct position position;
};

struct config_network {
	bool isolate;
	bool ipv6_nat;
	enum config_egress egress;
	char **domains; /* with EGRESS_LIST */
	size_t domain_count;
	struct address *dns;
	size_t dns_count;
	struct config_allow *allow;
	size_t allow_count;
	struct config_port *ports;
	size_t port_count;
	uint32_t limit_connections; /* conntrack entries */
	uint32_t limit_new_per_second;
	uint32_t limit_dns_per_second;
};

enum config_provisioner { PROVISION_ANSIBLE, PROVISION_SHELL, PROVISION_FILE };

struct config_provision {
	enum config_provisioner kind;
	char *name; /* or NULL: see config_provision_title() */
	/* Playbook, script, or what is copied; as written. NULL: the script is inline. */
	char *file;
	char *vars;  /* PROVISION_ANSIBLE: a JSON object, or NULL */
	char **tags; /* PROVISION_ANSIBLE: @tag_count of them, and NULL */
	size_t tag_count;
	char *requirements, *settings; /* PROVISION_ANSIBLE: for galaxy, an ansible.cfg; or NULL */
	char *script;		       /* PROVISION_SHELL: without a file */
	char *to;		       /* PROVISION_FILE: absolute, in the guest */
	char *mode;		       /* PROVISION_FILE: octal, or NULL: the file's own */
	bool as_user;		       /* not root: who runs the script, whose the file is */
	char **inputs;		       /* as written: @input_count of them, and NULL */
	size_t input_count;
	bool secret; /* it gives the guest a secret */
	struct position position;
};

struct config {
	char *directory; /* absolute path of the project, symlinks resolved */
	char *file;	 /* the Migrantfile's path, for messages */
	char *name;
	char *box; /* a box name or a path to a description */
	uint32_t cpus;
	uint64_t memory, disk; /* bytes */
	char *user;
	enum config_boot boot;
	char *kernel_image, *kernel_initrd, *kernel_cmdline; /* NULL: the box's */
	enum config_accel accel;
	bool nested;
	uint64_t ttl; /* seconds, 0: none */
	struct config_share *shares;
	size_t share_count;
	struct config_network network;
	char *wireguard;  /* path as written, or NULL: no tunnel ("none", or no such file) */
	char *cloud_init; /* path as written, or NULL */
	struct config_provision *provision;
	size_t provision_count;
	char *hooks; /* directory as written, or NULL */
	enum config_connect connect;
	uint16_t *tunnel_ports; /* `tunnel:`, SSH forwards */
	size_t tunnel_port_count;
	/* Private to the room: positions of values, by enum config_key_id; the file's text. */
	struct position *positions;
	char *text;
	size_t length;
};

/*
 * Finds the Migrantfile: in @directory if given (-C, MIGRANT_DIR), else in the current directory or
 * the nearest parent that has one. *ret_directory is absolute with symlinks resolved; *ret_file is
 * short for messages and can be opened from the current directory. EX_NOINPUT, saying where it
 * looked. The paths are the caller's.
 */
MUST_CHECK int config_find(const char *directory, char **ret_directory, char **ret_file,
			   struct error *err);

/*
 * Finds, reads, parses and validates. Files that keys default to (wireguard.conf, cloud-init.yml,
 * playbook.yml) are looked for in the project's directory. EX_CONFIG with message, place and
 * excerpt (config_error()); EX_NOINPUT, EX_NOPERM (also for a Migrantfile that another user can
 * change, or that lies in another project's share).
 */
MUST_CHECK int config_load(const char *directory, struct config *ret_config, struct error *err);

/*
 * The pure half of config_load(): @text is the file's content, @file names it in messages,
 * @directory gives the default name. Looks at no file: of the keys that default to a file only what
 * is written is set. Errors as config_load(); *ret_config is untouched then.
 */
MUST_CHECK int config_parse(const char *directory, const char *file, const char *text,
			    size_t length, struct config *ret_config, struct error *err);

/*
 * Refuses with EX_NOINPUT, showing the place, a Migrantfile that names a file or directory that is
 * not there; with EX_CONFIG one with a share that others can get at, or that leads to what the host
 * reads or runs. For `validate` and `up`; `destroy` does not need them.
 */
MUST_CHECK int config_check_files(const struct config *config, struct error *err);

/*
 * Refuses with EX_CONFIG, naming key and position, a file that uses what this version does not do
 * yet: such a key passes `validate` and stops `up`. A file that a key defaults to counts as used.
 */
MUST_CHECK int config_require_built(const struct config *config, struct error *err);

/*
 * Sets *err to EX_CONFIG with the place FILE:LINE:COLUMN, the source line and a caret; for rules
 * that need more than the file to be checked. Line 0 (a default): the place is the file. Returns
 * -1.
 */
int config_error(const struct config *config, struct position position, struct error *err,
		 const char *format, ...) PRINTF_LIKE(4, 5);

/* Where the value of the key @path ("network.dns") is written; line 0: it is not. */
struct position config_position(const struct config *config, const char *path);

/* @path as written in the Migrantfile, made absolute. The caller frees. */
char *config_path(const struct config *config, const char *path);

/* What a provisioner is called: its name, else its file, else its kind. Borrowed. */
const char *config_provision_title(const struct config_provision *provision);

/* "ansible", "shell" or "file". */
const char *config_provision_kind(const struct config_provision *provision);

/*
 * The lifecycle hook @name ("pre-up") of `hooks:`; *ret_path is NULL when there is none. It runs on
 * the host as the user, so EX_NOPERM for one that somebody else can change or put another in place
 * of, and EX_CONFIG for one that lies in a share, which a guest writes.
 */
MUST_CHECK int config_find_hook(const struct config *config, const char *name, char **ret_path,
				struct error *err);

/* True when `box:` is a path (config_path() makes it absolute) and not a box's name. */
bool config_box_is_path(const struct config *config);

/* The default name for a directory, or NULL when nothing is left of it (design: lower case, …). */
char *config_default_name(const char *directory);

/*
 * Makes of a project's configuration that of a sandbox beside it, called @name: without shares and
 * ports, which only one can have, and with a tunnel's file of its own, wireguard-NAME.conf.
 */
void config_as_sibling(struct config *config, const char *name);

void config_done(struct config *config);
#define _cleanup_config_ _cleanup_(config_done)

#endif
