/*
 * `migrant logs --provision`: what `up` and `provision` have said, from the user's own files
 * (provision/journal.h). As anything may stand in a file of the user's, what is not plain text is
 * shown escaped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "command/logs.h"
#include "provision/journal.h"

#define LINE_MAX_BYTES 16384 /* a longer line is shown in parts */

struct journal_reader {
	const char *name;
	char since[EVENT_TIME_MAX]; /* earlier lines are not shown */
	struct strbuf line;	    /* the beginning of one that is not all there yet */
};

/* What was escaped when it was written stays as it is; its backslashes are no longer escaped. */
static void show(struct journal_reader *reader)
{
	const struct strbuf *line = &reader->line;
	_cleanup_free_ char *safe = NULL;

	if (strcmp(strbuf_text(line), reader->since) >= 0) {
		if (!text_is_plain(strbuf_text(line), line->length))
			safe = text_escape(strbuf_text(line), line->length, false);
		puts(safe ? safe : strbuf_text(line));
	}
	strbuf_truncate(&reader->line, 0);
}

/* Shows what has come since the last time. */
static int read_on(struct journal_reader *reader, int fd, struct error *err)
{
	char chunk[16384];
	ssize_t got;

	while ((got = read(fd, chunk, sizeof(chunk))) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			if (chunk[i] != '\n')
				strbuf_add_char(&reader->line, chunk[i]);
			if (chunk[i] == '\n' || reader->line.length >= LINE_MAX_BYTES)
				show(reader);
		}
	}
	return got < 0 ? error_errno(err, EX_IOERR, "cannot read the log") : 0;
}

/* -1 without an error: there is none. */
static int open_log(const struct journal_reader *reader, bool is_older, struct error *err)
{
	_cleanup_free_ char *path = journal_path(reader->name, is_older);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat status;

	if (fd < 0 && errno == ENOENT)
		return -1;
	if (fd < 0 || fstat(fd, &status) < 0)
		return error_errno(err, EX_IOERR, "%s", path);
	if (!S_ISREG(status.st_mode))
		return error_set(err, EX_IOERR, "%s is no file", path);
	return take_fd(&fd);
}

static int read_older(struct journal_reader *reader, struct error *err)
{
	_cleanup_close_ int fd = open_log(reader, true, err);

	if (fd < 0)
		return error_is_set(err) ? -1 : 0;
	return read_on(reader, fd, err);
}

/* True when the file that is open is not the one that is written to any more. */
static bool is_over(const struct journal_reader *reader, int fd)
{
	_cleanup_free_ char *path = journal_path(reader->name, false);
	struct stat here, there;

	return fstat(fd, &here) < 0 || stat(path, &there) < 0 || here.st_ino != there.st_ino;
}

/* What comes is shown until the log goes with its sandbox. */
static int follow(struct journal_reader *reader, int watch, int *fd, struct error *err)
{
	char changes[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	while (fflush(stdout) == 0) {
		if (read(watch, changes, sizeof(changes)) < 0 && errno != EINTR)
			return error_errno(err, EX_OSERR, "cannot watch the log");
		if (read_on(reader, *fd, err) < 0)
			return -1;
		if (!is_over(reader, *fd))
			continue;
		cleanup_close(fd);
		*fd = open_log(reader, false, err);
		if (*fd < 0 && error_is_set(err))
			return -1;
		if (*fd < 0) {
			log_info("%s was destroyed, and its log with it", reader->name);
			return 0;
		}
		if (read_on(reader, *fd, err) < 0)
			return -1;
	}
	return 0; /* main() says that nothing can be printed */
}

/* The directory, for the file is renamed when it is full. */
static int watch_directory(const char *name, int *ret_fd, struct error *err)
{
	_cleanup_free_ char *path = journal_path(name, false);
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC);

	*strrchr(path, '/') = '\0';
	if (fd < 0 || inotify_add_watch(fd, path, IN_MODIFY | IN_CREATE | IN_DELETE) < 0)
		return error_errno(err, EX_OSERR, "cannot watch the log");
	*ret_fd = take_fd(&fd);
	return 0;
}

static int no_log(const char *name, struct error *err)
{
	if (error_is_set(err))
		return -1;
	error_set(err, EXIT_STATE, "there is no log of provisioning %s", name);
	return error_hint(err, "it begins with the first 'migrant up'");
}

static int show_all(struct journal_reader *reader, bool follows, struct error *err)
{
	_cleanup_close_ int fd = open_log(reader, false, err);
	_cleanup_close_ int watch = -1;

	if (fd < 0)
		return no_log(reader->name, err);
	/* Watched before it is read: what comes between wakes us for nothing at worst. */
	if ((follows && watch_directory(reader->name, &watch, err) < 0) ||
	    read_older(reader, err) < 0 || read_on(reader, fd, err) < 0)
		return -1;
	return follows ? follow(reader, watch, &fd, err) : 0;
}

int logs_provision(const struct invocation *invocation, const char *name, struct error *err)
{
	struct journal_reader reader = {.name = name, .line = STRBUF_INIT};
	int result = -1;

	if (logs_since(option_text(invocation, "since"), reader.since, err) == 0)
		result = show_all(&reader, option_flag(invocation, "follow"), err);
	strbuf_done(&reader.line);
	return result;
}
