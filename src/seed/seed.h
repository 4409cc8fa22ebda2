/*
 * The NoCloud seed: what cloud-init reads at the first boot, and never again.
 */
#ifndef SEED_SEED_H
#define SEED_SEED_H

#include "base/error.h"
#include "network/policy.h"
#include "network/wire.h"
#include "share/share.h"

struct seed {
	const char *instance_id; /* stays the same for the life of the sandbox */
	const char *hostname;
	const char *user;	     /* login user, sudo without password */
	const char *public_key;	     /* "ssh-ed25519 AAAA… comment": what may log in */
	const char *host_key;	     /* private SSH host key, OpenSSH PEM text */
	const char *host_key_public; /* its public half */
	struct wire wire;	     /* static network-config; the resolver is the gateway */
	const struct share *shares;  /* what is mounted in the first boot */
	size_t share_count;
	const char *user_data;	    /* text of the user's cloud-init.yml, or NULL */
	const char *user_data_file; /* its name for messages */
};

/*
 * The three documents as text, pure. seed_user_data() merges the user's cloud-init.yml below ours:
 * EX_CONFIG (FILE:LINE:COLUMN) when it is not YAML we can merge or would take away access (our
 * user, ssh, network, datasource). The caller frees.
 */
MUST_CHECK int seed_user_data(const struct seed *seed, char **ret_text, struct error *err);
char *seed_meta_data(const struct seed *seed);
char *seed_network_config(const struct seed *seed);

/*
 * The same as a script for root's sh in the guest's first boot, for a box that needs no cloud-init
 * when there is no cloud-init.yml (first_script.c). Its first line is SEED_FIRST_MARK; shares are
 * not its business, `up` mounts them. Pure; the caller wipes and frees it.
 */
#define SEED_FIRST_MARK "# migrant first boot 1"
char *seed_first_script(const struct seed *seed);

/*
 * The script that mounts exactly these shares in the guest, now and at its later boots; for root's
 * sh there. Its status is 0 when all are mounted, else its last line says why not. Pure; the caller
 * frees.
 */
char *seed_share_script(const struct share *shares, size_t count, const char *user);

/*
 * The script that unmounts them, for root's sh there; status and last line as above. Pure; the
 * caller frees.
 */
char *seed_share_release_script(const struct share *shares, size_t count);

/*
 * What the first boot from a layer runs instead of cloud-init: hostname, host key. It is the whole
 * volume, a script for root's sh in the guest, filled up to whole sectors. Pure; the caller frees.
 */
char *seed_identity(const struct seed *seed);

/*
 * The script by which a guest stands aside from its disk while that is copied (templates/seed/
 * layer-keep.sh): it says SEED_LAYER_READY, waits for a line or the end of its input, takes back
 * what is its own and says SEED_LAYER_BACK. Pure; the caller frees.
 */
#define SEED_LAYER_READY "ready\n"
#define SEED_LAYER_BACK	 "back\n"
char *seed_layer_script(void);

/* What gives such a guest a new host key and machine-id afterwards. Pure; the caller frees. */
char *seed_renew_script(const char *host_key, const char *host_key_public);

/*
 * The script that makes of a guest whose disk is another's one of its own: hostname, machine-id,
 * SSH host key; for root's sh there. Its status is 0, else its last line says why not. Pure; the
 * caller wipes and frees it, for the host key is in it.
 */
char *seed_fork_script(const char *name, const char *host_key, const char *host_key_public);

/*
 * Makes the ISO (label cidata) with genisoimage, in memory alone; without a cloud-init.yml it
 * begins with seed_first_script(). The bytes are the caller's.
 */
MUST_CHECK int seed_iso(const struct seed *seed, void **ret_bytes, size_t *ret_length,
			struct error *err);

/* The virtio-serial port on which the guest says that it is up, and the line that it repeats. */
#define READY_CHANNEL "org.migrant.ready"
#define READY_LINE    "MIGRANT READY 1\n"

#endif
