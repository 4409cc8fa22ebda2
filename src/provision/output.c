/*
 * A guest may print without end and without newlines, so a line has a cap. A carriage return ends a
 * line as well: what draws progress over itself becomes lines that can be read.
 */
#include "provision/output.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"

#define LINE_MAX_SHOWN 8192
#define STOP_MS	       5000

static void show(struct output *output, const char *bytes, size_t length)
{
	_cleanup_free_ char *line = text_dup_n(bytes, length);

	log_output(output->title, bytes, length);
	if (output->look)
		output->look(output->data, line);
}

static bool ends_line(char byte)
{
	return byte == '\n' || byte == '\r';
}

void output_add(struct output *output, const char *bytes, size_t length)
{
	struct strbuf *pending = &output->pending;
	size_t start = 0;

	strbuf_add(pending, bytes, length);
	for (size_t at = 0; at < pending->length; at++) {
		size_t line = at - start;

		if (!ends_line(pending->text[at]) && line < LINE_MAX_SHOWN)
			continue;
		/* "\r\n" is one end, which may arrive in two pieces */
		if (pending->text[at] == '\r' && at + 1 == pending->length)
			break;
		if (pending->text[at] == '\r' && pending->text[at + 1] == '\n')
			continue;
		if (line && pending->text[at] == '\n' && pending->text[at - 1] == '\r')
			line--;
		show(output, pending->text + start, line);
		start = ends_line(pending->text[at]) ? at + 1 : at;
	}
	if (start) {
		memmove(pending->text, pending->text + start, pending->length - start);
		strbuf_truncate(pending, pending->length - start);
	}
}

void output_end(struct output *output)
{
	size_t length = output->pending.length;

	while (length && ends_line(output->pending.text[length - 1]))
		length--;
	if (output->pending.length)
		show(output, output->pending.text, length);
	strbuf_truncate(&output->pending, 0);
}

/* Takes what there is, without waiting. Returns false at the end. */
static bool drain(struct output *output, int fd)
{
	char chunk[16384];
	ssize_t got;

	while ((got = read(fd, chunk, sizeof(chunk))) > 0)
		output_add(output, chunk, (size_t)got);
	return got < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Follows the output until the program ends. -1: it has to be stopped. */
static int follow(struct output *output, const struct process *process, int fd, struct error *err)
{
	const int64_t deadline =
		process->timeout ? clock_ms() + process->timeout * INT64_C(1000) : 0;
	struct pollfd fds[] = {{.fd = process->pidfd, .events = POLLIN},
			       {.fd = interrupt_fd(), .events = POLLIN},
			       {.fd = fd, .events = POLLIN}};

	for (;;) {
		const int64_t left = deadline ? deadline - clock_ms() : -1;

		if (deadline && left <= 0)
			return error_set(err, EX_TEMPFAIL, "it took longer than %u s",
					 process->timeout);
		if (process_poll(fds, ARRAY_SIZE(fds), (int)left) <= 0)
			continue;
		if (fds[2].revents && !drain(output, fd))
			fds[2].fd = -1;
		if (fds[1].revents)
			return interrupt_error(err);
		if (fds[0].revents) {
			(void)drain(output, fd);
			return 0;
		}
	}
}

/* Politely first, so that it ends children that have left its process group. */
static void stop(struct process *process)
{
	struct pollfd end = {.fd = process->pidfd, .events = POLLIN};

	kill(-process->pid, SIGINT);
	poll(&end, 1, STOP_MS);
	process_kill(process);
}

int output_run(struct output *output, struct process *process, int *ret_status, struct error *err)
{
	_cleanup_close_ int output_read = -1, output_write = -1;
	int pipes[2];
	int result;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return error_errno(err, EX_OSERR, "cannot make a pipe");
	output_read = pipes[0];
	output_write = pipes[1];
	if (fcntl(output_read, F_SETFL, O_NONBLOCK) < 0)
		return error_errno(err, EX_OSERR, "cannot make a pipe");
	process->output = process->errors = output_write;
	if (process_start(process, err) < 0)
		return -1;
	cleanup_close(&output_write);
	result = follow(output, process, output_read, err);
	output_end(output);
	if (result < 0) {
		stop(process);
		return -1;
	}
	return process_wait(process, ret_status, err);
}

void output_done(struct output *output)
{
	strbuf_done(&output->pending);
}
