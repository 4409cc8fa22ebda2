/*
 * Runs a playbook on one guest with an Ansible that knows nothing of the host: no ansible.cfg, no
 * inventory, no plugins, agents or shared connections of the user's. What the guest makes it print
 * is escaped.
 */
#ifndef PROVISION_ANSIBLE_H
#define PROVISION_ANSIBLE_H

#include "base/error.h"
#include "provision/ssh.h"

/*
 * Runs the playbook at the absolute path @playbook to its end; what Ansible says goes to stderr as
 * it comes. EX_SOFTWARE when it fails, with the task if there is one; EX_NOINPUT without the file,
 * EX_UNAVAILABLE without ansible-playbook, 128+signal when interrupted. The guest is left as it is.
 */
MUST_CHECK int ansible_run(const char *playbook, const struct guest_access *access,
			   struct error *err);

/* -- pure -- */

/* The inventory, with one host. JSON, which is YAML as well. The caller frees. */
char *ansible_inventory(const struct guest_access *access);

/* Arguments in one string that shlex.split() of Python takes apart again. The caller frees. */
char *ansible_quote(const char *const *arguments);

/* What is remembered of Ansible's output: the task that failed, the error it ended with. */
struct ansible_log {
	char *task;   /* the one that runs */
	char *failed; /* the last one that failed and was not ignored, or NULL */
	char *error;  /* the last "ERROR!" line's text, or NULL */
};
#define _cleanup_ansible_log_ _cleanup_(ansible_log_done)

/* Looks at one line of the default callback's output (without its newline). */
void ansible_log_line(struct ansible_log *log, const char *line);
void ansible_log_done(struct ansible_log *log);

#endif
