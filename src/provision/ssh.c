/*
 * The way into a guest that must be assumed hostile. The key that the guest proves itself with was
 * made on the host, so there is no first connection on trust; and what the user has in ~/.ssh and
 * /etc/ssh (agents, forwardings, LocalCommand, shared connections) stays out of it.
 *
 * ssh reports its own failures with 255, which a command in the guest may return as well. Its log
 * tells them apart: it goes into a pipe of ours, and the first line that ssh writes there at this
 * log level is either that it was let in or why not. What a stranger's server can get into the log
 * (a reason for hanging up, its offered algorithms) always has words of ssh before it on that line.
 */
#include "provision/ssh.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "provision/pump.h"
#include "terminal/session.h"

#define SSH_FAILED 255
#define LOG_MAX	   16384 /* what comes after is read and dropped */

int ssh_known_hosts_of(const struct guest_access *hosts, size_t count, struct error *err)
{
	_cleanup_strbuf_ struct strbuf lines = STRBUF_INIT;
	int fd;

	for (size_t i = 0; i < count; i++) {
		if (strchr(hosts[i].host_key, '\n'))
			return error_set(err, EX_DATAERR,
					 "the guest's host key is more than one line");
		strbuf_addf(&lines, "migrant-%s %s\n", hosts[i].name, hosts[i].host_key);
	}
	fd = file_memory("known_hosts", strbuf_text(&lines), lines.length);
	if (fd < 0)
		return error_errno(err, EX_OSERR, "cannot make a memory file");
	return fd;
}

int ssh_known_hosts(const struct guest_access *access, struct error *err)
{
	return ssh_known_hosts_of(access, 1, err);
}

static char *own_fd_path(int fd)
{
	return text_format("/proc/%d/fd/%d", (int)getpid(), fd);
}

char *ssh_known_hosts_path(int known_hosts)
{
	return own_fd_path(known_hosts);
}

struct list {
	char **items; /* NULL-terminated once something was added */
	size_t count;
};

static void add(struct list *list, const char *text)
{
	list->items = xreallocarray(list->items, list->count + 2, sizeof(*list->items));
	list->items[list->count++] = text_dup(text);
	list->items[list->count] = NULL;
}

static void add_option(struct list *list, const char *name, const char *value)
{
	_cleanup_free_ char *text = text_format("%s=%s", name, value);

	add(list, "-o");
	add(list, text);
}

static const struct {
	const char *name, *value;
} fixed_options[] = {
	{"GlobalKnownHostsFile", "/dev/null"},
	{"StrictHostKeyChecking", "yes"},
	{"HostKeyAlgorithms", "ssh-ed25519"},
	{"CheckHostIP", "no"},
	{"UpdateHostKeys", "no"},
	{"VerifyHostKeyDNS", "no"},
	{"PreferredAuthentications", "publickey"},
	{"IdentitiesOnly", "yes"},
	{"IdentityAgent", "none"},
	{"BatchMode", "yes"},
	{"ForwardAgent", "no"},
	{"ForwardX11", "no"},
	{"PermitLocalCommand", "no"},
	{"ControlMaster", "no"},
	{"ControlPath", "none"},
	{"Tunnel", "no"},
	{"ConnectTimeout", "30"},
	{"ServerAliveInterval", "15"},
	{"ServerAliveCountMax", "4"},
	{"LogLevel", "VERBOSE"},
};

char **ssh_options(const struct guest_access *access, int known_hosts)
{
	_cleanup_free_ char *known_hosts_path = own_fd_path(known_hosts);
	_cleanup_free_ char *alias = text_format("migrant-%s", access->name);
	struct list list = {0};

	add(&list, "-F");
	add(&list, "none");
	add(&list, "-i");
	add(&list, access->key);
	add_option(&list, "User", access->user);
	add_option(&list, "HostKeyAlias", alias);
	add_option(&list, "UserKnownHostsFile", known_hosts_path);
	for (size_t i = 0; i < ARRAY_SIZE(fixed_options); i++)
		add_option(&list, fixed_options[i].name, fixed_options[i].value);
	return list.items;
}

void ssh_fixed_options(struct strbuf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(fixed_options); i++)
		if (!text_equal(fixed_options[i].name,
				"LogLevel")) /* ours reads it, others do not */
			strbuf_addf(out, "  %s %s\n", fixed_options[i].name,
				    fixed_options[i].value);
}

void ssh_options_free(char ***options)
{
	for (char **item = *options; item && *item; item++)
		free(*item);
	free(*options);
	*options = NULL;
}

/* Length of the line at @text. */
static size_t line_length(const char *text)
{
	return strcspn(text, "\r\n");
}

static bool has_any(const char *log, const char *const *needles)
{
	for (; *needles; needles++)
		if (strstr(log, *needles))
			return true;
	return false;
}

/* The last line that is not empty and not one of ssh's warnings in capitals and frames. */
static char *last_line(const char *log)
{
	const char *best = "ssh gave no reason";
	size_t best_length = strlen(best);

	for (const char *at = log; *at;) {
		size_t length = line_length(at);

		if (length && *at != '@') {
			best = at;
			best_length = length;
		}
		at += length + strspn(at + length, "\r\n");
	}
	return text_dup_n(best, best_length);
}

static int judge_stranger(const char *log, struct error *err)
{
	static const char *const other_key[] = {"Host key verification failed",
						"no matching host key type found", NULL};
	static const char *const no_key[] = {"Permission denied (", NULL};
	_cleanup_free_ char *reason = last_line(log);

	if (has_any(log, other_key)) {
		error_set(err, EX_SOFTWARE,
			  "what answers at the guest's address does not have the guest's host key");
		return error_hint(err, "something in the guest plays its SSH server, or its keys "
				       "were replaced: 'migrant destroy' and 'migrant up' give a "
				       "fresh one");
	}
	if (has_any(log, no_key)) {
		error_set(err, EX_NOPERM, "the guest does not take our key: %s", reason);
		return error_hint(err, "the key in the guest is from the first 'migrant up'; was "
				       "~/.ssh/migrant or MIGRANT_KEY changed since?");
	}
	return error_set(err, EX_UNAVAILABLE, "cannot reach the guest by SSH: %s", reason);
}

int ssh_judge(const char *log, int status, struct error *err)
{
	static const char *const broken[] = {"closed by remote host",
					     "not responding",
					     "Broken pipe",
					     "Connection reset",
					     "Read from remote host ",
					     "ssh_dispatch_run_fatal",
					     "Corrupted MAC",
					     NULL};
	_cleanup_free_ char *reason = NULL;

	if (status != SSH_FAILED)
		return 0;
	if (!text_starts(log, "Authenticated to "))
		return judge_stranger(log, err);
	log += line_length(log);
	if (!has_any(log, broken))
		return 0;
	reason = last_line(log);
	return error_set(err, EX_TEMPFAIL, "the connection to the guest broke: %s", reason);
}

/* Beyond LOG_MAX it is dropped, but read: ssh must not block on a guest that makes it complain. */
static void drain(int log_fd, struct strbuf *log)
{
	char chunk[4096];
	ssize_t got;

	while ((got = read(log_fd, chunk, sizeof(chunk))) > 0)
		if (log->length + (size_t)got <= LOG_MAX)
			strbuf_add(log, chunk, (size_t)got);
}

/* What an ssh has for streams: one of the two. */
struct streams {
	struct pump pump;
	struct session session;
};

#define STREAM_FDS (SESSION_FDS > PUMP_FDS ? SESSION_FDS : PUMP_FDS)

static int finish(struct streams *streams, struct error *err)
{
	if (streams->pump.streams)
		return pump_finish(&streams->pump, err);
	session_finish(&streams->session);
	return 0;
}

/* Moves the streams. What our own side does meanwhile (a disk is copied) is not the guest's time.
 */
static int turn(struct streams *streams, const struct pollfd *fds, int64_t *deadline,
		struct error *err)
{
	const int64_t begin = clock_ms();
	int result = streams->pump.streams ? pump_turn(&streams->pump, err)
					   : session_turn(&streams->session, fds, err);

	if (*deadline)
		*deadline += clock_ms() - begin;
	return result;
}

/* Reads what ssh logs, and moves its streams, until it ends. */
static int follow(const struct process *process, int log_fd, struct strbuf *log,
		  struct streams *streams, struct error *err)
{
	struct pump *pump = &streams->pump;
	struct session *session = &streams->session;
	int64_t deadline = process->timeout ? clock_ms() + process->timeout * INT64_C(1000) : 0;
	struct pollfd fds[3 + STREAM_FDS] = {
		{.fd = process->pidfd, .events = POLLIN},
		{.fd = log_fd, .events = POLLIN},
		{.fd = process->foreground ? -1 : interrupt_fd(), .events = POLLIN},
	};

	for (size_t i = 3; i < ARRAY_SIZE(fds); i++)
		fds[i].fd = -1;
	for (;;) {
		const int64_t left = deadline ? deadline - clock_ms() : -1;

		if (deadline && left <= 0)
			return error_set(err, EX_TEMPFAIL, "the guest has taken longer than %u s",
					 process->timeout);
		if (pump->streams)
			pump_poll(pump, &fds[3]);
		else
			session_poll(session, &fds[3]);
		if (process_poll(fds, ARRAY_SIZE(fds), (int)left) < 0)
			continue;
		drain(log_fd, log);
		if (fds[2].revents)
			return interrupt_error(err);
		if (fds[0].revents)
			return finish(streams, err);
		if (turn(streams, &fds[3], &deadline, err) < 0)
			return -1;
	}
}

/*
 * Ctrl-C is for the guest's command. ssh gets it from the terminal itself; we must outlive ssh to
 * pass its status on.
 */
static void leave_signals_to_child(struct sigaction saved[2])
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	sigaction(SIGINT, &ignore, &saved[0]);
	sigaction(SIGQUIT, &ignore, &saved[1]);
}

static void take_signals_back(const struct sigaction saved[2])
{
	sigaction(SIGINT, &saved[0], NULL);
	sigaction(SIGQUIT, &saved[1], NULL);
}

static int run(struct process *process, int log_fd, struct strbuf *log, struct streams *streams,
	       int *ret_status, struct error *err)
{
	struct sigaction saved[2];
	int result;

	if (process_start(process, err) < 0)
		return -1;
	pump_started(&streams->pump);
	session_started(&streams->session);
	if (process->foreground)
		leave_signals_to_child(saved);
	result = follow(process, log_fd, log, streams, err);
	if (process->foreground)
		take_signals_back(saved);
	if (result < 0) {
		process_kill(process);
		return -1;
	}
	return process_wait(process, ret_status, err);
}

/* Before the fixed options: of two that contradict, ssh takes the first. */
static void add_forwarding(struct list *list, const struct ssh_request *request)
{
	if (request->forward_agent) {
		add_option(list, "IdentityAgent", "SSH_AUTH_SOCK");
		add_option(list, "ForwardAgent", "yes");
	}
	if (request->forward_x11) {
		add_option(list, "ForwardX11", "yes");
		add_option(list, "ForwardX11Trusted", "no");
	}
}

/* The variables that what is forwarded needs. The strings are the caller's. */
static void find_environment(const struct ssh_request *request, char *variables[4])
{
	static const char *const names[] = {"SSH_AUTH_SOCK", "DISPLAY", "XAUTHORITY"};
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		if (value && (i == 0 ? request->forward_agent : request->forward_x11))
			variables[count++] = text_format("%s=%s", names[i], value);
	}
	variables[count] = NULL;
}

static char **build_argv(const struct ssh_request *request, int known_hosts, int log_fd)
{
	_cleanup_ssh_options_ char **options = ssh_options(request->access, known_hosts);
	_cleanup_free_ char *log_path = own_fd_path(log_fd);
	struct list list = {0};

	add(&list, "ssh");
	add_forwarding(&list, request);
	for (char **option = options; *option; option++)
		add(&list, *option);
	add(&list, "-E");
	add(&list, log_path);
	if (!request->interactive && !(request->streams && request->streams->produce))
		add(&list, "-n");
	if (request->tty != SSH_TTY_AUTO)
		add(&list, request->tty == SSH_TTY_YES ? "-tt" : "-T");
	add(&list, request->access->address);
	for (const char *const *at = request->arguments; at && *at; at++)
		add(&list, *at);
	if (request->command) {
		add(&list, "--");
		add(&list, request->command);
	}
	return list.items;
}

static void streams_done(struct streams *streams)
{
	pump_done(&streams->pump);
	session_done(&streams->session);
}

/* Whoever asks for a terminal in the guest, or may get one, has one here. */
static int open_streams(struct streams *streams, const struct ssh_request *request,
			struct process *process, struct error *err)
{
	const bool may_have =
		request->tty == SSH_TTY_YES || (request->tty == SSH_TTY_AUTO && !request->command);

	if (request->streams)
		return pump_open(&streams->pump, request->streams, process, err);
	if (!request->interactive)
		return 0;
	return session_open(&streams->session, may_have, request->is_raw, process, err);
}

int ssh_run(const struct ssh_request *request, int *ret_status, struct error *err)
{
	struct process process = PROCESS_INIT;
	_cleanup_strbuf_ struct strbuf log = STRBUF_INIT;
	_cleanup_ssh_options_ char **argv = NULL;
	_cleanup_list_ char **environment = xcalloc(4, sizeof(*environment));
	_cleanup_close_ int known_hosts = ssh_known_hosts(request->access, err);
	_cleanup_close_ int log_read = -1, log_write = -1;
	_cleanup_(streams_done) struct streams streams = {PUMP_INIT, SESSION_INIT};
	int pipes[2];

	if (known_hosts < 0)
		return -1;
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_errno(err, EX_OSERR, "cannot make a pipe");
	log_read = pipes[0];
	log_write = pipes[1];
	argv = build_argv(request, known_hosts, log_write);
	process.argv = (const char *const *)argv;
	find_environment(request, environment);
	process.env = (const char *const *)environment;
	process.errors = PROCESS_NULL;
	process.timeout = request->seconds;
	if (open_streams(&streams, request, &process, err) < 0 ||
	    run(&process, log_read, &log, &streams, ret_status, err) < 0)
		return -1;
	return ssh_judge(strbuf_text(&log), *ret_status, err);
}

struct script {
	const char *text; /* what is left of it; NULL: not made yet */
	char *made;	  /* the whole, by @make */
	char *(*make)(struct error *err);
	bool is_heard; /* the guest has said something */
	struct strbuf *answer;
	size_t max;
};

static void script_done(struct script *script)
{
	if (script->made)
		explicit_bzero(script->made, strlen(script->made));
	free(script->made);
}

static bool may_give(void *data)
{
	const struct script *script = data;

	return script->text || script->is_heard;
}

static ssize_t give_script(void *data, char *buffer, size_t room, struct error *err)
{
	struct script *script = data;
	size_t length;

	if (!script->text)
		script->text = script->made = script->make(err);
	if (!script->text)
		return -1;
	length = strlen(script->text);
	if (length > room)
		length = room;
	memcpy(buffer, script->text, length);
	script->text += length;
	return (ssize_t)length;
}

static int take_answer(void *data, const char *bytes, size_t length, struct error *err)
{
	struct script *script = data;

	script->is_heard = true;
	if (length > script->max - script->answer->length)
		return error_set(err, EX_DATAERR, "the guest answers with more than %zu bytes",
				 script->max);
	strbuf_add(script->answer, bytes, length);
	return 0;
}

static int run_script(const struct guest_access *access, const char *command, struct script *script,
		      int *ret_status, struct error *err)
{
	const struct ssh_streams streams = {
		.produce = give_script,
		.has_input = may_give,
		.consume = take_answer,
		.data = script,
	};
	const struct ssh_request request = {
		.access = access,
		.command = command,
		.streams = &streams,
		.seconds = SSH_SCRIPT_SECONDS,
	};

	return ssh_run(&request, ret_status, err);
}

int ssh_script(const struct guest_access *access, const char *text, size_t max,
	       struct strbuf *answer, int *ret_status, struct error *err)
{
	struct script script = {.text = text, .answer = answer, .max = max};

	return run_script(access, "exec sudo -n sh", &script, ret_status, err);
}

int ssh_script_late(const struct guest_access *access, char *(*make)(struct error *err), size_t max,
		    struct strbuf *answer, int *ret_status, struct error *err)
{
	_cleanup_(script_done) struct script script = {.make = make, .answer = answer, .max = max};

	return run_script(access, "exec sudo -n sh -c 'echo; exec sh'", &script, ret_status, err);
}

int ssh_confirm(const struct guest_access *access, struct error *err)
{
	const struct ssh_request request = {
		.access = access, .command = "true", .seconds = SSH_SCRIPT_SECONDS};
	int status = 0;

	if (ssh_run(&request, &status, err) < 0)
		return -1;
	if (status != 0)
		return error_set(err, EX_SOFTWARE,
				 "the guest let us in but 'true' ended with status %d there",
				 status);
	return 0;
}
