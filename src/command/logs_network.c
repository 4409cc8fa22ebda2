/*
 * `migrant logs --network`: what the sandbox did on the network. The keeper writes two files in
 * turn (hook/network_log.h), which are the user's; they are read here as they are, also while the
 * sandbox is halted. As anything may stand in a file of the user's, lines are read with a bound,
 * and only what is an event is shown, made anew from what was read.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "command/logs.h"
#include "hook/event.h"
#include "hook/network_log.h"

#define CHUNK 16384

struct log_file {
	int fd;
	off_t offset;
	char line[EVENT_LINE_MAX]; /* the beginning of a line that is not all there yet */
	size_t length;
	bool is_too_long; /* until the line's end */
};

struct log_reader {
	struct log_file files[NETWORK_LOG_FILES];
	size_t current; /* the one that is written to, as far as is known */
	bool as_json;
	char since[EVENT_TIME_MAX]; /* earlier events are not shown */
	uint64_t unreadable;	    /* lines that are no events */
};

static void log_reader_done(struct log_reader *reader)
{
	for (size_t i = 0; i < NETWORK_LOG_FILES; i++)
		cleanup_close(&reader->files[i].fd);
}

static int open_error(const char *name, struct error *err)
{
	if (errno == ENOENT) {
		error_set(err, EXIT_STATE, "there is no network log of %s", name);
		return error_hint(err, "it begins with the first 'migrant up'");
	}
	if (errno == EACCES)
		return error_set(err, EX_NOPERM, "the network log of %s is another user's", name);
	return error_errno(err, EX_IOERR, "cannot read the network log of %s", name);
}

static int open_files(struct log_reader *reader, const char *name, struct error *err)
{
	for (size_t i = 0; i < NETWORK_LOG_FILES; i++) {
		_cleanup_free_ char *path =
			text_format(NETWORK_LOG_DIR "/%s/%s", name, network_log_files[i]);
		int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

		if (fd < 0)
			return open_error(name, err);
		reader->files[i].fd = fd;
	}
	return 0;
}

/* The file that was written last is the one that goes on. */
static void find_current(struct log_reader *reader)
{
	struct stat first = {0}, second = {0};

	if (fstat(reader->files[0].fd, &first) < 0 || fstat(reader->files[1].fd, &second) < 0)
		return;
	reader->current = second.st_mtim.tv_sec > first.st_mtim.tv_sec ||
			  (second.st_mtim.tv_sec == first.st_mtim.tv_sec &&
			   second.st_mtim.tv_nsec > first.st_mtim.tv_nsec);
}

static void show(struct log_reader *reader, const struct log_file *file)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct event event;

	if (file->is_too_long || strlen(file->line) != file->length ||
	    event_parse_json(file->line, &event) < 0) {
		reader->unreadable++;
		return;
	}
	if (strcmp(event.time, reader->since) < 0)
		return;
	if (reader->as_json)
		event_format_json(&event, &text);
	else
		event_format_text(&event, &text);
	fputs(strbuf_text(&text), stdout);
}

static void take_byte(struct log_reader *reader, struct log_file *file, char byte)
{
	if (byte != '\n') {
		if (file->length + 1 < sizeof(file->line))
			file->line[file->length++] = byte;
		else
			file->is_too_long = true;
		return;
	}
	file->line[file->length] = '\0';
	if (file->length)
		show(reader, file);
	file->length = 0;
	file->is_too_long = false;
}

/* Shows what has come since the last time. */
static int read_file(struct log_reader *reader, struct log_file *file, struct error *err)
{
	char chunk[CHUNK];
	struct stat status;

	if (fstat(file->fd, &status) < 0)
		return error_errno(err, EX_IOERR, "cannot read the network log");
	if (status.st_size < file->offset) { /* it was emptied, and is used anew */
		file->offset = 0;
		file->length = 0;
		file->is_too_long = false;
	}
	for (;;) {
		ssize_t got = pread(file->fd, chunk, sizeof(chunk), file->offset);

		if (got < 0)
			return error_errno(err, EX_IOERR, "cannot read the network log");
		if (got == 0)
			return 0;
		for (ssize_t i = 0; i < got; i++)
			take_byte(reader, file, chunk[i]);
		file->offset += got;
	}
}

/* The file that is not written to any more first: what is in it came before. */
static int read_both(struct log_reader *reader, size_t first, struct error *err)
{
	if (read_file(reader, &reader->files[first], err) < 0)
		return -1;
	return read_file(reader, &reader->files[!first], err);
}

static bool is_gone(const struct log_reader *reader)
{
	struct stat status;

	return fstat(reader->files[reader->current].fd, &status) < 0 || status.st_nlink == 0;
}

static int watch_files(const char *name, int *ret_fd, struct error *err)
{
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC);

	for (size_t i = 0; i < NETWORK_LOG_FILES && fd >= 0; i++) {
		_cleanup_free_ char *path =
			text_format(NETWORK_LOG_DIR "/%s/%s", name, network_log_files[i]);

		/* IN_ATTRIB: also when it is deleted while we have it open. */
		if (inotify_add_watch(fd, path, IN_MODIFY | IN_ATTRIB) < 0)
			return open_error(name, err);
	}
	if (fd < 0)
		return error_errno(err, EX_OSERR, "cannot watch the network log");
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Waits for further events and shows them, until the log goes with the sandbox. */
static int follow(struct log_reader *reader, int watch, const char *name, struct error *err)
{
	char changes[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	while (fflush(stdout) == 0) {
		if (is_gone(reader)) {
			log_info("%s was destroyed, and its log with it", name);
			return 0;
		}
		if (read(watch, changes, sizeof(changes)) < 0 && errno != EINTR)
			return error_errno(err, EX_OSERR, "cannot watch the network log");
		/* First the rest of the one that was written to until now, then the other. */
		if (read_both(reader, reader->current, err) < 0)
			return -1;
		find_current(reader);
	}
	return 0; /* main() says that nothing can be printed */
}

/* A time as the logs have it, as far as it goes: "2026-11-22", "2026-11-22T15:00". */
static bool is_time(const char *text)
{
	static const struct {
		size_t end;
		int low, high;
	} parts[] = {{7, 1, 12}, {10, 1, 31}, {13, 0, 23}, {16, 0, 59}, {19, 0, 60}};
	static const char form[] = "0000-00-00T00:00:00";
	const size_t length = strlen(text);
	bool is_whole = false;

	if (length < strlen("0000-00-00") || length >= sizeof(form))
		return false;
	for (size_t i = 0; i < length; i++)
		if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	for (size_t i = 0; i < ARRAY_SIZE(parts) && parts[i].end <= length; i++) {
		const char *digits = text + parts[i].end - 2;
		const int number = (digits[0] - '0') * 10 + digits[1] - '0';

		if (number < parts[i].low || number > parts[i].high)
			return false;
		is_whole = parts[i].end == length;
	}
	return is_whole;
}

int logs_since(const char *text, char ret_time[EVENT_TIME_MAX], struct error *err)
{
	struct event event;
	uint64_t seconds;

	if (!text)
		return 0;
	if (is_time(text)) {
		memcpy(ret_time, text, strlen(text) + 1);
		return 0;
	}
	if (parse_duration(text, &seconds) < 0) {
		error_set(err, EX_USAGE, "--since takes a duration or a time, not '%s'", text);
		return error_hint(err, "--since 30m, or --since 2026-11-22T15:00 (UTC)");
	}
	event_set_time(&event, ((int64_t)time(NULL) - (int64_t)seconds) * 1000);
	memcpy(ret_time, event.time, sizeof(event.time));
	return 0;
}

int logs_network(const struct invocation *invocation, const char *name, struct error *err)
{
	_cleanup_(log_reader_done) struct log_reader reader = {
		.files = {{.fd = -1}, {.fd = -1}},
		.as_json = option_flag(invocation, "json"),
	};
	const bool follows = option_flag(invocation, "follow");
	_cleanup_close_ int watch = -1;

	if (logs_since(option_text(invocation, "since"), reader.since, err) < 0)
		return -1;
	/* Watched before it is read: what comes between is read twice at worst, as nothing. */
	if (open_files(&reader, name, err) < 0 || (follows && watch_files(name, &watch, err) < 0))
		return -1;
	find_current(&reader);
	if (read_both(&reader, !reader.current, err) < 0)
		return -1;
	if (follows && follow(&reader, watch, name, err) < 0)
		return -1;
	if (reader.unreadable)
		log_warning("%llu lines of the log are no events",
			    (unsigned long long)reader.unreadable);
	return 0;
}
