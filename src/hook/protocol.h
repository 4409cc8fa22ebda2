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
#include "share/share.h"
#include "tunnel/tunnel.h"

/* Every domain and namespace of ours begins with this. */
#define SANDBOX_PREFIX "migrant-"

/* The metadata's namespace and its version; the hook understands this one and the one before. */
#define METADATA_URI	 "https://migrant.dev/xmlns/domain/1"
#define METADATA_PREFIX	 "migrant"
#define METADATA_VERSION 3

#define HOOK_PATH   "/usr/sbin/migrant-hook"
#define HELPER_PATH "/usr/sbin/migrant-helper"
#define RUN_DIR	    "/run/migrant"
#define NETNS_DIR   "/run/netns"

/*
 * <migrant:sandbox> in the domain's <metadata>. What the root side does not need (box, host key…)
 * is in there too, so that the domain is the only registry there is.
 */
struct metadata {
	unsigned int version;
	char *name;	       /* sandbox name; the domain is SANDBOX_PREFIX name */
	char *uuid;	       /* the domain's */
	uid_t owner;	       /* uid of the user */
	char *directory;       /* absolute path of the project */
	char *program_version; /* of the migrant that wrote it */
	struct wire wire;
	struct policy policy;
	struct tunnel tunnel; /* policy.tunnel says whether there is one */
	struct share shares[SHARE_MAX];
	size_t share_count;
	/* for the program only: */
	char *box; /* name, and digest of the base volume */
	char *box_digest;
	char *user;	/* login user */
	char *host_key; /* guest's public SSH host key: "ssh-ed25519 AAAA…" */
	char *accel;	/* "kvm" or "tcg", as decided at the last start */
	uint32_t ttl;	/* seconds until it is halted; 0: none */
	bool booted;	/* the first boot came to READY: the seed is gone */
};

/* Writes the <migrant:sandbox> element of METADATA_VERSION; libxml2 escapes. Aborts when out of
 * memory. */
void metadata_write(const struct metadata *metadata, xmlTextWriterPtr writer);

/*
 * What metadata_read() demands of the values, for those who are about to write them: EX_DATAERR
 * names the field. The fields "for the program only" may be NULL.
 */
MUST_CHECK int metadata_validate(const struct metadata *metadata, struct error *err);

/*
 * Reads and validates it. @node is the <migrant:sandbox> element. EX_DATAERR on anything unknown,
 * missing, duplicate or out of range.
 */
MUST_CHECK int metadata_read(const xmlNode *node, struct metadata *ret_metadata, struct error *err);

/* Finds our element below <domain><metadata>; NULL when there is none, or more than one. */
const xmlNode *metadata_find(const xmlDoc *domain);
/* The same where the element is the whole document. */
const xmlNode *metadata_root(const xmlDoc *document);

void metadata_done(struct metadata *metadata);
#define _cleanup_metadata_ _cleanup_(metadata_done)

/* Name of the guest's tap and of the veth ends: a prefix and the first 8 hex digits of the UUID. */
#define LINK_NAME_MAX 16
void tap_name(const char *uuid, char name[LINK_NAME_MAX]);

/*
 * RUN_DIR/NAME/record.json: what the hook made, written last by `prepare` and removed first by
 * `release`. Root writes it and everybody may read it; its existence is the proof that the hook
 * ran.
 */
#define RECORD_FILE "record.json"
#define RECORD_MAX  65536 /* bytes */
struct record {
	char *name;
	char *uuid;
	uid_t owner;
	char *directory;    /* of the project */
	char *hook_version; /* MIGRANT_VERSION of the hook that made the gateway */
	char *netns;	    /* name below NETNS_DIR */
	char *tap;
	char *control_address; /* where the host reaches the guest: what `migrant ip` prints */
	char *uplink;	       /* host's end of the veth to the outside */
	char *started;	       /* RFC 3339, UTC: when `prepare` ended */
	/* NULL in the record of a hook that did not know them yet: */
	char *ends;   /* RFC 3339, UTC: when its ttl is over; NULL: it has none */
	char *wire;   /* wire_canonical() */
	char *tunnel; /* tunnel_canonical(); NULL without a tunnel */
	char *policy; /* policy_canonical() of what is in force; empty while it is being changed */
};
/* The JSON document, with a final newline; the caller frees. */
char *record_format(const struct record *record);
/* EX_DATAERR when it is not what record_format() writes. */
MUST_CHECK int record_parse(const char *text, struct record *ret_record, struct error *err);
/* Reads the record of sandbox @name. EX_NOINPUT when there is none: the hook did not run. */
MUST_CHECK int record_load(const char *name, struct record *ret_record, struct error *err);
void record_done(struct record *record);
#define _cleanup_record_ _cleanup_(record_done)

/*
 * `migrant-helper verify NAME` answers with a list of texts, one per thing that is not as the hook
 * made it. Those that begin with DRIFT_WARNING are about others (a firewall of the host that drops
 * what the sandbox may send): no promise is broken.
 */
#define DRIFT_WARNING "warning: "

/*
 * `migrant-helper apply NAME` takes the <migrant:sandbox> element on stdin, at most this many
 * bytes, and puts its policy into force.
 */
#define HELPER_INPUT_MAX (256 * 1024)

/*
 * The error line of the hook on stderr: "migrant-hook: [CODE] message" and, optionally,
 * " (hint: …)". libvirt wraps it into its own error text; error_from_hook() finds it there again
 * and fills *err with code, message and hint. Returns false when the text holds no such line.
 */
void hook_error_print(const struct error *err);
bool error_from_hook(const char *libvirt_text, struct error *err);

#endif
