/*
 * KVM or TCG. That /dev/kvm is there and opens proves nothing: on some machines no guest runs on
 * it. So a tiny guest is tried, once per boot of the host.
 */
#ifndef DOMAIN_ACCEL_H
#define DOMAIN_ACCEL_H

#include <libvirt/libvirt.h>

#include "base/error.h"
#include "config/config.h"
#include "domain/domain_xml.h"

/*
 * Chooses as @wanted says. @kernel is the path of a Linux kernel for the trial, or NULL: the BIOS
 * must do. With ACCEL_KVM where KVM does not work EX_UNAVAILABLE with the reason. The events of
 * wait_init() are handled meanwhile.
 */
MUST_CHECK int accel_choose(virConnectPtr connection, enum config_accel wanted, const char *kernel,
			    enum domain_accel *ret_accel, struct error *err);

/* What was found out about KVM, and under which circumstances it holds. */
struct accel_answer {
	char *boot_id;	    /* of the host's kernel, new at every boot */
	char *kernel;	    /* its release */
	unsigned long qemu; /* version as libvirt counts it */
	bool works;
	char *reason; /* when it does not work */
};
/* Pure: the cache's JSON. Parsing fails on anything unexpected. */
char *accel_answer_format(const struct accel_answer *answer);
MUST_CHECK int accel_answer_parse(const char *text, struct accel_answer *ret_answer);
void accel_answer_done(struct accel_answer *answer);

#endif
