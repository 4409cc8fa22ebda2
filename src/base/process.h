/*
 * A child process is a struct: what it is started with before, what became of it after.
 *
 * There is no shell anywhere: argv vectors only. The child gets an environment of its own (not the
 * caller's, unless asked), default signal handling, no descriptor but its three streams, and is
 * killed when the parent dies.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"

#define PROCESS_NULL	(-1) /* the stream is /dev/null */
#define PROCESS_INHERIT (-2) /* the stream is the parent's own */

struct process {
	const char *const
		*argv; /* NULL-terminated; argv[0] is looked up in PROCESS_PATH if it has no '/' */
	const char *const *env;	   /* further "NAME=value", NULL-terminated, or NULL */
	const char *directory;	   /* working directory, or NULL for the parent's */
	int input, output, errors; /* descriptors (borrowed), PROCESS_NULL or PROCESS_INHERIT */
	bool keep_environment;	   /* start from the caller's environment (ssh, user hooks) */
	bool foreground;	   /* share the terminal's process group: an interactive child */
	bool own_terminal;	   /* a session of its own, on the terminal that is its input */
	unsigned int timeout;	   /* seconds until it is killed, 0: none */
	int (*confine)(void);	   /* called in the child at last: takes rights away; -1 ends it */
	/* written by process_start(): */
	pid_t pid;
	int pidfd; /* -1 when not running; closed by process_wait() */
};

/* The default search path of children and the environment's PATH. */
#define PROCESS_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#define PROCESS_INIT                                                                      \
	{                                                                                 \
		.input = PROCESS_NULL, .output = PROCESS_NULL, .errors = PROCESS_INHERIT, \
		.pidfd = -1,                                                              \
	}

/*
 * What else has to be done while a child is waited for: called about once a second from
 * process_poll(). NULL: nothing.
 */
extern void (*process_idle)(void);

/* poll(2) for waits on a child; may return 0 before the time is over. */
int process_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

/* Full path of program @name in PROCESS_PATH, or NULL. The caller frees. */
char *process_find(const char *name);

/*
 * Starts it. EX_UNAVAILABLE with the program's name when it is not installed, EX_NOPERM when it is
 * no program, EX_OSERR when its arguments are too long.
 */
MUST_CHECK int process_start(struct process *process, struct error *err);

/*
 * Waits for its end. *ret_status is the exit status, or 128+N when signal N ended it (never 0
 * then). EX_TEMPFAIL when the timeout ran out: the child is killed and reaped. The same when a
 * signal came that interrupt_catch() caught; an interactive child (foreground) gets it instead and
 * is waited for.
 */
MUST_CHECK int process_wait(struct process *process, int *ret_status, struct error *err);

/* Starts and waits; a status other than 0 is EX_SOFTWARE with the last line of its stderr. */
MUST_CHECK int process_run(struct process *process, struct error *err);

/* Like process_run(); stdout goes to @output, at most @max bytes (more is EX_DATAERR). */
MUST_CHECK int process_capture(struct process *process, size_t max, struct strbuf *output,
			       struct error *err);

/*
 * In a child of fork(2) that may hang in the kernel and outlive its parent: lets go of all
 * descriptors (a lock, a pipe whose end somebody waits for) but *fd, which may get another number.
 */
void process_let_go(int *fd);

/* Kills (SIGKILL) and reaps it if it still runs. */
void process_kill(struct process *process);

#endif
