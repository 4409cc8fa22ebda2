/*
 * The libvirt domain of a sandbox as text: pure, golden-tested, so that the security of a change to
 * it can be reviewed as a diff of XML.
 */
#ifndef DOMAIN_DOMAIN_XML_H
#define DOMAIN_DOMAIN_XML_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "domain/snapshots.h"
#include "hook/protocol.h"

enum domain_accel { DOMAIN_KVM, DOMAIN_TCG };

/* "kvm" or "tcg", as in the metadata and in `status`. */
const char *domain_accel_name(enum domain_accel accel);

/* What a domain is made from; everything is borrowed. */
struct domain_spec {
	const struct metadata *metadata; /* name, uuid and wire are used for the domain too */
	enum domain_accel accel;
	uint32_t cpus;
	uint64_t memory;		       /* bytes, of the guest; QEMU's overhead is added */
	bool nested;			       /* the guest sees the processor's virtualisation */
	bool uefi;			       /* without a kernel: UEFI instead of BIOS */
	const char *kernel, *initrd, *cmdline; /* paths; kernel NULL: firmware and boot loader */
	const struct snapshots *snapshots;     /* NULL: none */
	const char *disk;		       /* path of the qcow2 overlay */
	const char *const *layers;	       /* paths of frozen ones below it, or NULL */
	const char *base, *base_format;	       /* path and format of what it lies over … */
	const char *below, *below_format;      /* … and, of a layer, what that lies over */
	const char *seed;		       /* path of the seed's ISO, or NULL */
};

/* The guest's address of its disk and seed: fixed, whatever else is there. */
#define DOMAIN_DISK_TARGET "vda"
#define DOMAIN_SEED_TARGET "vdb"

/* Where virtlogd keeps the serial console's output (root 0600, capped by virtlogd). */
#define DOMAIN_CONSOLE_LOG "/var/log/libvirt/qemu/" SANDBOX_PREFIX "%s-console.log"

/*
 * The text of <domain>. EX_DATAERR when a string holds what XML cannot (control bytes, invalid
 * UTF-8). The caller frees.
 */
MUST_CHECK int domain_xml(const struct domain_spec *spec, char **ret_text, struct error *err);

/* Bytes that the guest and QEMU may use together on the host, see domain_limit_memory(). */
uint64_t domain_memory_limit(const struct domain_spec *spec);

/*
 * The text of a tiny transient domain that proves whether KVM runs a guest here: no disk, no
 * network, a console. With @kernel NULL its BIOS speaks on the console. EX_DATAERR as above.
 */
MUST_CHECK int domain_probe_xml(const char *name, const char *kernel, char **ret_text,
				struct error *err);

#endif
