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
	char *host;		/* as written, relative to the Migrantfile */
	char *guest;		/* absolute */
	uint64_t size;		/* bytes */
	bool read_only;
	bool isolate;
	struct position position;
};

enum config_allow_kind { ALLOW_HOST, ALLOW_LAN, ALLOW_FORWARD };

struct config_allow {
	enum config_allow_kind kind;
	enum config_protocol protocol;	/* PROTOCOL_ANY only for ALLOW_LAN */
	uint16_t port;			/* host or gateway port; ALLOW_LAN: 0 is any */
	struct address address;		/* ALLOW_LAN, ALLOW_FORWARD: the target */
	uint16_t target_port;		/* ALLOW_FORWARD */
	bool via_tunnel;		/* ALLOW_FORWARD */
	struct position position;
};

struct config_port {
	struct address bind;		/* loopback unless written */
	uint16_t host, guest;
	struct position position;
};

struct config_network {
	bool isolate;
	bool ipv6_nat;
	enum config_egress egress;
	char **domains;			/* with EGRESS_LIST */
	size_t domain_count;
	struct address *dns;
	size_t dns_count;
	struct config_allow *allow;
	size_t allow_count;
	struct config_port *ports;
	size_t port_count;
	uint32_t limit_connections;	/* conntrack entries */
	uint32_t limit_new_per_second;
	uint32_t limit_dns_per_second;
};

enum config_provisioner { PROVISION_ANSIBLE, PROVISION_SHELL };

struct config_provision {
	enum config_provisioner kind;
	char *file;			/* as written, relative to the Migrantfile */
	struct position position;
};

struct config {
	char *directory;		/* absolute path of the project, symlinks resolved */
	char *file;			/* the Migrantfile's path, for messages */
	char *name;
	char *box;			/* a box name or a path to a description */
	uint32_t cpus;
	uint64_t memory, disk;		/* bytes */
	char *user;
	enum config_boot boot;
	char *kernel_image, *kernel_initrd, *kernel_cmdline; /* NULL: the box's */
	enum config_accel accel;
	bool nested;
	uint64_t ttl;			/* seconds, 0: none */
	struct config_share *shares;
	size_t share_count;
	struct config_network network;
	char *wireguard;		/* path as written, or NULL: no tunnel ("none", or no such file) */
	char *cloud_init;		/* path as written, or NULL */
	struct config_provision *provision;
	size_t provision_count;
	char *hooks;			/* directory as written, or NULL */
	enum config_connect connect;
	uint16_t *tunnel_ports;		/* `tunnel:`, SSH forwards */
	size_t tunnel_port_count;
	/* Positions of keys, indexed like the key table (config/keys.h); private to the room. */
	struct position *positions;
};

/*
 * Finds the Migrantfile: in @directory if given (-C, MIGRANT_DIR), else in the current directory or
 * the nearest parent that has one. EX_NOINPUT, saying where it looked. The paths are the caller's.
 */
MUST_CHECK int config_find(const char *directory, char **ret_directory, char **ret_file,
			   struct error *err);

/*
 * Finds, reads, parses and validates. Files that keys default to (wireguard.conf, cloud-init.yml,
 * playbook.yml) are looked for in the project's directory. EX_CONFIG with a message
 * "FILE:LINE:COLUMN: text" followed by the source line and a caret line (config_excerpt()).
 */
MUST_CHECK int config_load(const char *directory, struct config *ret_config, struct error *err);

/*
 * The pure half of config_load(): @text is the file's content, @file names it in messages,
 * @directory gives the default name. Looks at no file. Positions in errors as config_load().
 */
MUST_CHECK int config_parse(const char *directory, const char *file, const char *text,
			    size_t length, struct config *ret_config, struct error *err);

/*
 * Refuses with EX_CONFIG, naming key and position, a file that uses what this version does not do
 * yet: such a key passes `validate` and stops `up`.
 */
MUST_CHECK int config_require_built(const struct config *config, struct error *err);

/* The default name for a directory, or NULL when nothing is left of it (design: lower case, …). */
char *config_default_name(const char *directory);

void config_done(struct config *config);
#define _cleanup_config_ _cleanup_(config_done)

#endif
