/*
 * Between the child and the user's terminal stands the filter, and nothing that waits: the child's
 * end and signals are looked at between any two pieces, and a terminal that takes nothing (Ctrl-S)
 * holds the child up and not us.
 */
#include "terminal/session.h"

#include <fcntl.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"
#include "terminal/screen.h"

#define PIECE 16384

/* Which descriptor of session_poll() is whose. */
enum { FD_TYPED = 2 * SESSION_OUTPUTS, FD_SCREEN };

static void output_begin(struct session_output *output, int from, int to, bool is_raw)
{
	output->from = from;
	output->to = to;
	output->is_filtered = !is_raw;
	filter_init(&output->filter, screen_is_ascii());
}

static void warn_of_ascii(bool is_raw)
{
	if (!is_raw && screen_is_ascii())
		log_warning("the locale is not UTF-8: what is not ASCII is shown as '?'; with "
			    "LC_ALL=C.UTF-8 it is shown as it is");
}

static int open_terminal(struct session *session, bool is_raw, struct process *process,
			 struct error *err)
{
	struct winsize size = screen_size();
	struct termios mode;
	int follower;

	session->leader = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (session->leader < 0 || unlockpt(session->leader) < 0 ||
	    fcntl(session->leader, F_SETFL, O_NONBLOCK) < 0 ||
	    (follower = ioctl(session->leader, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
		return error_errno(err, EX_OSERR, "cannot make a pseudo-terminal");
	session->child[0] = follower;
	warn_of_ascii(is_raw);
	interrupt_catch();
	if (screen_enter(&mode, err) < 0)
		return -1;
	session->has_terminal = true;
	tcsetattr(follower, TCSANOW, &mode);
	ioctl(session->leader, TIOCSWINSZ, &size);
	output_begin(&session->outputs[0], session->leader, STDOUT_FILENO, is_raw);
	process->own_terminal = true;
	process->foreground = false;
	process->input = process->output = follower;
	process->errors = isatty(STDERR_FILENO) ? follower : PROCESS_INHERIT;
	return 0;
}

/* A pipe to us for each stream that leads to a terminal. */
static int open_streams(struct session *session, struct process *process, struct error *err)
{
	int *const streams[SESSION_OUTPUTS] = {&process->output, &process->errors};

	process->foreground = true;
	process->input = PROCESS_INHERIT;
	for (int i = 0; i < SESSION_OUTPUTS; i++) {
		int pair[2];

		*streams[i] = PROCESS_INHERIT;
		if (!isatty(STDOUT_FILENO + i))
			continue;
		if (pipe2(pair, O_CLOEXEC) < 0 || fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0)
			return error_errno(err, EX_OSERR, "cannot make a pipe");
		session->child[1 + i] = *streams[i] = pair[1];
		output_begin(&session->outputs[i], pair[0], STDOUT_FILENO + i, false);
		/* what the terminal types would come to the user's shell */
		session->outputs[i].filter.drops_questions = true;
	}
	if (session->outputs[0].from >= 0)
		warn_of_ascii(false);
	return 0;
}

int session_open(struct session *session, bool own_terminal, bool is_raw, struct process *process,
		 struct error *err)
{
	if (own_terminal && screen_is_there())
		return open_terminal(session, is_raw, process, err);
	if (!is_raw)
		return open_streams(session, process, err);
	process->foreground = true;
	process->input = process->output = process->errors = PROCESS_INHERIT;
	return 0;
}

void session_started(struct session *session)
{
	for (size_t i = 0; i < ARRAY_SIZE(session->child); i++)
		cleanup_close(&session->child[i]);
}

static bool has_text(const struct session_output *output)
{
	return output->sent < output->text.length;
}

void session_poll(const struct session *session, struct pollfd fds[SESSION_FDS])
{
	const bool has_typed = session->typed_begin < session->typed_end;

	for (size_t i = 0; i < SESSION_OUTPUTS; i++) {
		const struct session_output *output = &session->outputs[i];

		fds[2 * i] = (struct pollfd){.fd = has_text(output) ? -1 : output->from,
					     .events = POLLIN};
		fds[2 * i + 1] = (struct pollfd){.fd = has_text(output) ? output->to : -1,
						 .events = POLLOUT};
	}
	fds[FD_TYPED] = (struct pollfd){.fd = -1};
	if (session->leader >= 0)
		fds[FD_TYPED] = (struct pollfd){
			.fd = has_typed ? session->leader : STDIN_FILENO,
			.events = has_typed ? POLLOUT : POLLIN,
		};
	fds[FD_SCREEN] = (struct pollfd){.fd = screen_fd(), .events = POLLIN};
}

/* Sends what the terminal takes now. -1 with errno when it is gone. */
static int send_text(struct session_output *output)
{
	ssize_t done = write(output->to, strbuf_text(&output->text) + output->sent,
			     output->text.length - output->sent);

	if (done < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -1;
	output->sent += (size_t)done;
	if (!has_text(output)) {
		strbuf_truncate(&output->text, 0);
		output->sent = 0;
	}
	return 0;
}

/* Takes a piece from the child. Returns false when there is none. */
static bool receive(struct session *session, struct session_output *output)
{
	char piece[PIECE];
	ssize_t got = output->from < 0 ? 0 : read(output->from, piece, sizeof(piece));

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got <= 0) { /* a pseudo-terminal that nobody has open any more says EIO */
		if (output->from == session->leader)
			output->from = -1;
		else
			cleanup_close(&output->from);
		return false;
	}
	if (output->is_filtered)
		filter_add(&output->filter, piece, (size_t)got, &output->text);
	else
		strbuf_add(&output->text, piece, (size_t)got);
	return true;
}

/* What is typed goes to the child as it is. Without a terminal the child is hung up. */
static void take_typed(struct session *session)
{
	ssize_t done;

	if (session->typed_begin == session->typed_end) {
		done = read(STDIN_FILENO, session->typed, sizeof(session->typed));
		if (done < 0 && (errno == EINTR || errno == EAGAIN))
			return;
		session->typed_begin = 0;
		session->typed_end = done > 0 ? (size_t)done : 0;
		if (done <= 0) {
			if (session->outputs[0].from == session->leader)
				session->outputs[0].from = -1;
			cleanup_close(&session->leader);
			return;
		}
	}
	done = write(session->leader, session->typed + session->typed_begin,
		     session->typed_end - session->typed_begin);
	if (done > 0)
		session->typed_begin += (size_t)done;
	else if (done < 0 && errno != EAGAIN && errno != EINTR)
		session->typed_begin = session->typed_end; /* the child has gone */
}

int session_turn(struct session *session, const struct pollfd fds[SESSION_FDS], struct error *err)
{
	for (size_t i = 0; i < SESSION_OUTPUTS; i++) {
		struct session_output *output = &session->outputs[i];

		if (fds[2 * i].revents)
			receive(session, output);
		if (fds[2 * i + 1].revents && send_text(output) < 0)
			return error_errno(err, EX_IOERR, "cannot write to the terminal");
	}
	if (fds[FD_TYPED].revents)
		take_typed(session);
	if (fds[FD_SCREEN].revents && screen_look() && session->leader >= 0) {
		struct winsize size = screen_size();

		ioctl(session->leader, TIOCSWINSZ, &size);
	}
	return 0;
}

/* Waits for the terminal, unless it is gone or somebody wants us to stop. */
static void send_all(struct session_output *output)
{
	while (has_text(output) && send_text(output) == 0)
		if (interrupt_pending())
			break;
}

void session_finish(struct session *session)
{
	for (size_t i = 0; i < SESSION_OUTPUTS; i++) {
		struct session_output *output = &session->outputs[i];

		do
			send_all(output);
		while (!has_text(output) && receive(session, output));
	}
}

/* In an order that leaves nothing typed by the terminal to the shell: undone, then put back. */
void session_done(struct session *session)
{
	bool asked = false;

	for (size_t i = 0; i < SESSION_OUTPUTS; i++) {
		struct session_output *output = &session->outputs[i];

		if (output->to > 0 && output->is_filtered) {
			asked |= output->filter.has_asked;
			filter_end(&output->filter, &output->text);
			send_all(output);
		}
		if (output->from != session->leader)
			cleanup_close(&output->from);
		strbuf_done(&output->text);
	}
	if (session->has_terminal)
		screen_leave(asked);
	cleanup_close(&session->leader);
	session_started(session);
	*session = (struct session)SESSION_INIT;
}
