/*
 * What the program and its root side say to each other: the metadata in the domain XML, the record
 * that the hook leaves in /run/migrant/NAME, the error line that libvirt hands through, and the
 * helper's verbs. The root side trusts none of what it reads here; the record alone is root's word.
 */
#ifndef HOOK_PROTOCOL_H
#define HOOK_PROTOCOL_H

#include <libxml/tree.h>
#include <libxml/xmlwriter.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/parse.h"
#include "network/policy.h"

/* Every domain and namespace of ours begins with this. */
#define SANDBOX_PREFIX "migrant-"

/* The metadata's namespace and its version; the hook understands this one and the one before. */
#define METADATA_URI "https://migrant.dev/xmlns/domain/1"
#define METADATA_PREFIX "migrant"
#define METADATA_VERSION 1

#define HOOK_PATH "/usr/sbin/migrant-hook"
#define HELPER_PATH "/usr/sbin/migrant-helper"
#define RUN_DIR "/run/migrant"
#define NETNS_DIR "/run/netns"

/*
 * <migrant:sandbox> in the domain's <metadata>. What the root side does not need (box, host key…) is
 * in there too, so that the domain is the only registry there is.
 */
struct metadata {
	unsigned int version;
	char *name;		/* sandbox name; the domain is SANDBOX_PREFIX name */
	char *uuid;		/* the domain's */
	uid_t owner;		/* uid of the user */
	char *directory;	/* absolute path of the project */
	char *program_version;	/* of the migrant that wrote it */
	struct wire wire;
	struct policy policy;
	/* for the program only: */
	char *box;		/* name, and digest of the base volume */
	char *box_digest;
	char *user;		/* login user */
	char *host_key;		/* guest's public SSH host key: "ssh-ed25519 AAAA…" */
	char *accel;		/* "kvm" or "tcg", as decided at the last start */
	bool booted;		/* the first boot came to READY: the seed is gone */
};

/* Writes the <migrant:sandbox> element; libxml2 escapes. Aborts when out of memory. */
void metadata_write(const struct metadata *metadata, xmlTextWriterPtr writer);

/*
 * Reads and validates it. @node is the <migrant:sandbox> element. EX_DATAERR on anything unknown,
 * missing, duplicate or out of range.
 */
MUST_CHECK int metadata_read(const xmlNode *node, struct metadata *ret_metadata, struct error *err);

/* Finds our element below <domain><metadata>, or NULL. */
const xmlNode *metadata_find(const xmlDoc *domain);

void metadata_done(struct metadata *metadata);
#define _cleanup_metadata_ _cleanup_(metadata_done)

/* Name of the guest's tap and of the veth ends: a prefix and the first 8 hex digits of the UUID. */
#define LINK_NAME_MAX 16
void tap_name(const char *uuid, char name[LINK_NAME_MAX]);

/*
 * The error line of the hook on stderr: "migrant-hook: [CODE] message" and, optionally,
 * " (hint: …)". libvirt wraps it into its own error text; error_from_hook() finds it there again
 * and fills *err with code, message and hint. Returns false when the text holds no such line.
 */
void hook_error_print(const struct error *err);
bool error_from_hook(const char *libvirt_text, struct error *err);

#endif
