/*
 * What every command on a project begins with: its Migrantfile, its lock, libvirt, its domain.
 */
#ifndef COMMAND_PROJECT_H
#define COMMAND_PROJECT_H

#include "command/command.h"
#include "command/lock.h"
#include "config/config.h"
#include "domain/domain.h"
#include "provision/ssh.h"

struct project {
	struct config config;
	bool has_file;	     /* the configuration is a Migrantfile's, see named.h */
	bool is_fork;	     /* its directory is its origin's */
	int lock, name_lock; /* descriptors that are locked (project_lock()), or -1 */
	virConnectPtr connection;
	struct domain domain;
};

#define PROJECT_INIT                        \
	{                                   \
		.lock = -1, .name_lock = -1 \
	}
#define _cleanup_project_ _cleanup_(project_done)
void project_done(struct project *project);

/*
 * Reads the Migrantfile: that of the sandbox whose name is an operand, else that of the directory.
 * Errors as config_load(), named_load().
 */
MUST_CHECK int project_load(struct project *project, const struct invocation *invocation,
			    struct error *err);

/*
 * Locks the sandbox against other migrants until project_unlock() or project_done(). A second one
 * waits, saying so, at most @seconds: EX_TEMPFAIL; 128+signal when interrupted. While somebody
 * works on a sandbox of that name that is not this one: errors as project_find().
 */
MUST_CHECK int project_lock(struct project *project, unsigned int seconds, struct error *err);
void project_unlock(struct project *project);

/* Connects to libvirt, once; and looks the domain up, refusing one that is somebody else's. */
MUST_CHECK int project_connect(struct project *project, struct error *err);
MUST_CHECK int project_find(struct project *project, struct error *err);

/* project_load(), project_connect(), project_find(). */
MUST_CHECK int project_open(struct project *project, const struct invocation *invocation,
			    struct error *err);

/* EX_NOINPUT when the sandbox was meant by its name and its Migrantfile has gone. */
MUST_CHECK int project_require_file(const struct project *project, struct error *err);

/* EXIT_STATE unless the sandbox exists and runs. */
MUST_CHECK int project_require_running(const struct project *project, struct error *err);

/* True when its guest runs or is paused: there is something to end. */
bool project_has_guest(const struct project *project);

/* How a running sandbox is reached; the access borrows from it. */
struct project_access {
	struct record record;
	char *key;
	struct guest_access access;
};
#define _cleanup_access_ _cleanup_(project_access_done)
void project_access_done(struct project_access *access);

/* EX_SOFTWARE when the hook's record is missing or of another sandbox; errors as key_ensure(). */
MUST_CHECK int project_find_access(const struct project *project, struct project_access *ret_access,
				   struct error *err);

#endif
