/*
 * Runs a playbook on a guest with an Ansible that knows nothing of the host: no ansible.cfg, no
 * inventory, no plugins, agents or shared connections of the user's but what the request names.
 * What the guest makes it print is escaped; where it connects to, the guest has no say in.
 */
#ifndef PROVISION_ANSIBLE_H
#define PROVISION_ANSIBLE_H

#include <stddef.h>

#include "base/error.h"
#include "provision/ssh.h"

/* Everything is borrowed; paths are absolute. */
struct ansible_request {
	const char *title;	  /* what it is called in the output */
	const char *playbook;	  /* its path */
	const char *vars;	  /* a JSON object of variables, or NULL */
	const char *const *tags;  /* NULL-terminated, or NULL: all tasks */
	const char *requirements; /* what ansible-galaxy fetches before, or NULL */
	const char *settings;	  /* an ansible.cfg, or NULL: none */
	/* The guest that it is played for, and behind it further hosts of the inventory. */
	const struct guest_access *hosts;
	size_t host_count;
};

/*
 * Runs the playbook to its end; what Ansible says goes to stderr as it comes. EX_SOFTWARE when it
 * fails, with the task if there is one; EX_NOINPUT without the file, EX_UNAVAILABLE without
 * ansible-playbook, 128+signal when interrupted. The guest is left as it is.
 */
MUST_CHECK int ansible_run(const struct ansible_request *request, struct error *err);

/* -- pure (ansible_text.c) -- */

/* The inventory. JSON, which is YAML as well. The caller frees. */
char *ansible_inventory(const struct guest_access *hosts, size_t count);

/*
 * The variables that decide how a host is reached, as JSON for --extra-vars: stronger than whatever
 * a guest answers. @arguments: those of ssh, for each host, see ansible_quote(). The caller frees.
 */
char *ansible_connection(const struct guest_access *hosts, size_t count,
			 const char *const *arguments);

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
