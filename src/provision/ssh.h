/*
 * SSH into a guest: the host key is known before the first connection, nothing of the user's own
 * SSH configuration takes part, and a failure to get in is told apart from the command's own.
 */
#ifndef PROVISION_SSH_H
#define PROVISION_SSH_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"

/* How a guest is reached. Everything is borrowed. */
struct guest_access {
	const char *name;     /* of the sandbox: how ssh calls the host (HostKeyAlias) */
	const char *address;  /* control address, from the hook's record */
	const char *user;     /* login user in the guest */
	const char *key;      /* path of the private key, see provision/keys.h */
	const char *host_key; /* the guest's public host key: "ssh-ed25519 AAAA…" */
};

/*
 * A sealed memory file in known_hosts format that holds the one key. It is named to a child as
 * /proc/OUR_PID/fd/N (ssh_known_hosts_path()) and has to stay open while the child runs.
 * Returns the descriptor, or -1 with *err set.
 */
MUST_CHECK int ssh_known_hosts(const struct guest_access *access, struct error *err);
/* The same with the keys of several guests. */
MUST_CHECK int ssh_known_hosts_of(const struct guest_access *hosts, size_t count,
				  struct error *err);
char *ssh_known_hosts_path(int known_hosts);

/*
 * The options with which every ssh (and sftp, scp) into a guest runs, NULL-terminated; no
 * destination. The caller frees with ssh_options_free().
 */
char **ssh_options(const struct guest_access *access, int known_hosts);
/* Those of them that are the same for every guest, as lines of an ssh_config(5). */
void ssh_fixed_options(struct strbuf *out);
void ssh_options_free(char ***options);
#define _cleanup_ssh_options_ _cleanup_(ssh_options_free)

/*
 * The streams of a command that is not interactive. The functions get @data; -1 with *err set ends
 * the connection with that error.
 */
struct ssh_streams {
	/* Puts at most @room bytes of input into @buffer: their number, 0 at the end. NULL: none.
	 */
	ssize_t (*produce)(void *data, char *buffer, size_t room, struct error *err);
	/* False while there is nothing to put in yet; asked after each output. NULL: never so. */
	bool (*has_input)(void *data);
	/* Takes output, which is whatever the guest likes. NULL: dropped. */
	int (*consume)(void *data, const char *bytes, size_t length, struct error *err);
	void *data;
	struct strbuf *errors; /* gets the first 4 KiB of what the command complains of; or NULL */
};

enum ssh_tty {
	SSH_TTY_AUTO, /* a login shell has one when the caller is at a terminal, a command none */
	SSH_TTY_YES,
	SSH_TTY_NO,
};

struct ssh_request {
	const struct guest_access *access;
	const char *command; /* for the guest's shell, or NULL: a login shell */
	const char *const
		*arguments; /* further arguments for ssh, after the destination, or NULL */
	bool interactive;   /* has the caller's streams and terminal; else none */
	bool is_raw;	    /* what the guest prints goes to the terminal as it is */
	enum ssh_tty tty;   /* interactive: whether the command has a terminal in the guest */
	/* What the user insists on: the guest's root can use both while it lasts. */
	bool forward_agent, forward_x11;
	const struct ssh_streams *streams; /* not interactive: what it has instead, or NULL */
	unsigned int seconds;		   /* until it is given up; 0: as long as the guest wants */
};

/* Long for a disk that is written back, and an end for a guest that never gives one. */
#define SSH_SCRIPT_SECONDS 600

/*
 * Runs ssh to its end; it gives up by itself when the guest does not answer for a minute.
 * *ret_status is the status of the guest's command or shell, also when that is 255. What goes wrong
 * before it runs is an error of ours: EX_UNAVAILABLE (no connection), EX_SOFTWARE (another host key
 * than the one we made: somebody else answers), EX_NOPERM (the guest does not take our key);
 * EX_TEMPFAIL when the connection breaks or the time is over.
 */
MUST_CHECK int ssh_run(const struct ssh_request *request, int *ret_status, struct error *err);

/*
 * Runs a script as root in the guest (sudo -n sh), its text as standard input. *answer gets its
 * output, at most @max bytes (more is EX_DATAERR); *ret_status is its status. It has
 * SSH_SCRIPT_SECONDS. Errors as ssh_run().
 */
MUST_CHECK int ssh_script(const struct guest_access *access, const char *script, size_t max,
			  struct strbuf *answer, int *ret_status, struct error *err);

/*
 * The same with a text that is made when the guest's shell is there, which may be seconds after the
 * connection began: @make returns it (it is wiped and freed here), or NULL with *err set. *answer
 * begins with an empty line.
 */
MUST_CHECK int ssh_script_late(const struct guest_access *access, char *(*make)(struct error *err),
			       size_t max, struct strbuf *answer, int *ret_status,
			       struct error *err);

/*
 * One connection that proves that the guest has our host key and takes our key: runs `true`.
 * Errors as ssh_run().
 */
MUST_CHECK int ssh_confirm(const struct guest_access *access, struct error *err);

/*
 * What the log of ssh (-E, LogLevel VERBOSE) and its exit status @status say. Pure. Returns 0 when
 * the connection was authenticated and held, so that the status is the guest's; else -1 with *err
 * set as ssh_run() documents.
 */
MUST_CHECK int ssh_judge(const char *log, int status, struct error *err);

#endif
