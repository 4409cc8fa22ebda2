/*
 * A command in the guest whose streams go through us must neither wait for us for ever nor make us
 * wait: ssh's log, its end and Ctrl-C are looked at between any two pieces.
 */
#include "provision/pump.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "base/text.h"

#define PIECE	   65536
#define ERRORS_MAX 4096 /* of the command's complaints; the rest is read and dropped */

void pump_done(struct pump *pump)
{
	cleanup_close(&pump->input);
	cleanup_close(&pump->output);
	cleanup_close(&pump->errors);
	for (size_t i = 0; i < PUMP_FDS; i++)
		cleanup_close(&pump->child[i]);
	free(pump->buffer);
	*pump = (struct pump)PUMP_INIT;
}

/* A socket, for writing to one whose reader has gone raises no signal. */
static int open_input(struct pump *pump)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	pump->input = pair[0];
	pump->child[0] = pair[1];
	return shutdown(pump->child[0], SHUT_WR);
}

static int open_pipe(int *ret_ours, int *ret_childs)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -1;
	*ret_ours = pair[0];
	*ret_childs = pair[1];
	return fcntl(pair[0], F_SETFL, O_NONBLOCK);
}

int pump_open(struct pump *pump, const struct ssh_streams *streams, struct process *process,
	      struct error *err)
{
	pump->streams = streams;
	if ((streams->produce && open_input(pump) < 0) ||
	    open_pipe(&pump->output, &pump->child[1]) < 0 ||
	    open_pipe(&pump->errors, &pump->child[2]) < 0)
		return error_errno(err, EX_OSERR, "cannot make a pipe");
	pump->buffer = xcalloc(1, PIECE);
	process->input = streams->produce ? pump->child[0] : PROCESS_NULL;
	process->output = pump->child[1];
	process->errors = pump->child[2];
	return 0;
}

void pump_started(struct pump *pump)
{
	for (size_t i = 0; i < PUMP_FDS; i++)
		cleanup_close(&pump->child[i]);
}

/* The owner has nothing to say before it has heard something. */
static bool is_waiting(const struct pump *pump)
{
	return pump->streams && pump->streams->has_input &&
	       !pump->streams->has_input(pump->streams->data);
}

void pump_poll(const struct pump *pump, struct pollfd fds[PUMP_FDS])
{
	fds[0] = (struct pollfd){.fd = is_waiting(pump) ? -1 : pump->input, .events = POLLOUT};
	fds[1] = (struct pollfd){.fd = pump->output, .events = POLLIN};
	fds[2] = (struct pollfd){.fd = pump->errors, .events = POLLIN};
}

/* Fills the empty buffer; the command's input ends when there is nothing more. */
static int refill(struct pump *pump, struct error *err)
{
	ssize_t got = pump->streams->produce(pump->streams->data, pump->buffer, PIECE, err);

	if (got < 0)
		return -1;
	pump->begin = 0;
	pump->end = (size_t)got;
	if (got == 0)
		cleanup_close(&pump->input);
	return 0;
}

/* A command that takes no more of its input has its reasons, which its status and words give. */
static int send_input(struct pump *pump, struct error *err)
{
	while (pump->input >= 0 && !is_waiting(pump)) {
		ssize_t done;

		if (pump->begin == pump->end) {
			if (refill(pump, err) < 0)
				return -1;
			continue;
		}
		done = send(pump->input, pump->buffer + pump->begin, pump->end - pump->begin,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (done < 0 && errno == EAGAIN)
			return 0;
		if (done < 0 && errno != EINTR)
			cleanup_close(&pump->input);
		else if (done > 0)
			pump->begin += (size_t)done;
	}
	return 0;
}

/* One piece of @fd into @piece: its length, 0 when there is none now; closes *fd at its end. */
static ssize_t receive(int *fd, char *piece)
{
	ssize_t got = *fd < 0 ? 0 : read(*fd, piece, PIECE);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0)
		cleanup_close(fd);
	return got < 0 ? 0 : got;
}

static int receive_output(struct pump *pump, struct error *err)
{
	char piece[PIECE];
	ssize_t got = receive(&pump->output, piece);

	if (got == 0 || !pump->streams->consume)
		return 0;
	return pump->streams->consume(pump->streams->data, piece, (size_t)got, err);
}

static void receive_errors(struct pump *pump)
{
	struct strbuf *errors = pump->streams->errors;
	char piece[PIECE];
	size_t got = (size_t)receive(&pump->errors, piece);

	if (!errors || errors->length >= ERRORS_MAX)
		return;
	if (got > ERRORS_MAX - errors->length)
		got = ERRORS_MAX - errors->length;
	strbuf_add(errors, piece, got);
}

int pump_turn(struct pump *pump, struct error *err)
{
	if (send_input(pump, err) < 0)
		return -1;
	receive_errors(pump);
	return receive_output(pump, err);
}

int pump_finish(struct pump *pump, struct error *err)
{
	cleanup_close(&pump->input);
	while (pump->errors >= 0)
		receive_errors(pump);
	while (pump->output >= 0)
		if (receive_output(pump, err) < 0)
			return -1;
	return 0;
}
