/*
 * The one table of the Migrantfile's keys: the parser, the defaults, the refusal of what is not
 * built yet and the reference in docs/migrantfile.md are made from it.
 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

enum config_key_id {
	KEY_NAME,
	KEY_BOX,
	KEY_CPUS,
	KEY_MEMORY,
	KEY_DISK,
	KEY_USER,
	KEY_BOOT,
	KEY_KERNEL,
	KEY_KERNEL_IMAGE,
	KEY_KERNEL_INITRD,
	KEY_KERNEL_CMDLINE,
	KEY_ACCEL,
	KEY_NESTED,
	KEY_TTL,
	KEY_SHARES,
	KEY_SHARES_HOST,
	KEY_SHARES_GUEST,
	KEY_SHARES_SIZE,
	KEY_SHARES_MODE,
	KEY_SHARES_ISOLATE,
	KEY_SHARES_RESERVE,
	KEY_NETWORK,
	KEY_NETWORK_ISOLATE,
	KEY_NETWORK_IPV6,
	KEY_NETWORK_EGRESS,
	KEY_NETWORK_DOMAINS,
	KEY_NETWORK_DNS,
	KEY_NETWORK_ALLOW,
	KEY_NETWORK_PORTS,
	KEY_NETWORK_LIMITS,
	KEY_NETWORK_LIMITS_CONNECTIONS,
	KEY_NETWORK_LIMITS_NEW,
	KEY_NETWORK_LIMITS_DNS,
	KEY_WIREGUARD,
	KEY_CLOUD_INIT,
	KEY_PROVISION,
	KEY_PROVISION_NAME,
	KEY_PROVISION_ANSIBLE,
	KEY_PROVISION_VARS,
	KEY_PROVISION_TAGS,
	KEY_PROVISION_INPUTS,
	KEY_PROVISION_SECRET,
	KEY_PROVISION_REQUIREMENTS,
	KEY_PROVISION_CONFIG,
	KEY_PROVISION_SHELL,
	KEY_PROVISION_SHELL_FILE,
	KEY_PROVISION_SHELL_INLINE,
	KEY_PROVISION_SHELL_USER,
	KEY_PROVISION_FILE,
	KEY_PROVISION_FILE_FROM,
	KEY_PROVISION_FILE_TO,
	KEY_PROVISION_FILE_MODE,
	KEY_PROVISION_FILE_USER,
	KEY_HOOKS,
	KEY_CONNECT,
	KEY_TUNNEL,
	KEY_COUNT
};

enum key_type {
	TYPE_MAP,      /* further keys below it */
	TYPE_MAPS,     /* a list of such mappings; min and max count its items */
	TYPE_LIST,     /* a list of texts; min and max count its items */
	TYPE_TEXT,     /* char *; min and max count its bytes */
	TYPE_PATH,     /* char *; a path relative to the Migrantfile, inside its directory or not */
	TYPE_NUMBER,   /* uint32_t */
	TYPE_SIZE,     /* uint64_t, bytes, whole MiB */
	TYPE_DURATION, /* uint64_t, seconds; "none" is 0 */
	TYPE_BOOL,     /* bool */
	TYPE_CHOICE,   /* an enum: the index in @choices */
	TYPE_EITHER,   /* bool: the second of two @choices */
	TYPE_TREE,     /* char *: a mapping of any values, as JSON */
};

struct config_key {
	const char *path; /* "network.limits.connections" */
	enum key_type type;
	bool none;		   /* TYPE_PATH: "none" stands for no file */
	bool required;		   /* in the mapping that holds it */
	bool unbuilt;		   /* understood, but this version does not do it yet */
	unsigned int unbuilt_from; /* TYPE_CHOICE: so are this choice and what follows; 0: none */
	enum config_key_id shorthand; /* TYPE_MAP: a text stands for this key of it; 0: none does */
	size_t offset;		      /* of the value in struct config, or in the list's item */
	uint64_t min, max;
	const char *const *choices;	    /* NULL-terminated */
	bool (*is_valid)(const char *text); /* TYPE_TEXT: its grammar … */
	const char *grammar;		    /* … and what it is, for messages and the reference */
	const char *fallback;		    /* the default as one would write it, or NULL: none */
	const char *otherwise;		    /* what holds when there is no fallback, in words */
	const char *help;		    /* one line */
};

/* Indexed by enum config_key_id. */
extern const struct config_key config_keys[KEY_COUNT];

/* The key's last component: "connections". */
const char *key_name(const struct config_key *key);

/* The key @name below the key @parent (KEY_COUNT: at the top), or KEY_COUNT. */
enum config_key_id key_find(enum config_key_id parent, const char *name);

/* True when @key stands directly below @parent (KEY_COUNT: at the top). */
bool key_is_child(enum config_key_id parent, enum config_key_id key);

/* What @name below @parent was probably meant to be, or NULL. Borrowed. */
const char *key_guess(enum config_key_id parent, const char *name);

/* The type with its range, for the reference: "a size from 64M to 16T". */
void key_describe_type(const struct config_key *key, struct strbuf *out);

/* The table of all keys in Markdown, as docs/migrantfile.md holds it. */
void keys_reference(struct strbuf *out);

/* A size as one writes it: 2147483648 is "2G". */
void size_describe(uint64_t bytes, struct strbuf *out);

#endif
