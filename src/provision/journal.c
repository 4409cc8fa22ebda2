/*
 * Lines go into a file in the user's state directory as they are shown, so nothing in it could
 * drive a terminal. When it is full it becomes the older one of two, in the place of the one
 * before. The writer holds the sandbox's lock, so there is one; that the disk is full must not end
 * an `up`, so what cannot be written is left out.
 */
#include "provision/journal.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "provision/state.h"

/* The one that is written: this program works on one sandbox at a time. */
static struct {
	int fd;
	char *path, *older;
} current = {.fd = -1};

char *journal_path(const char *name, bool is_older)
{
	_cleanup_free_ char *directory = state_directory();

	return text_format("%s/provision-%s.log%s", directory, name, is_older ? ".1" : "");
}

static int open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		    0600);
}

/* Begins a new file when this one is full. */
static void turn(void)
{
	struct stat status;

	if (fstat(current.fd, &status) < 0 || status.st_size < (off_t)JOURNAL_MAX)
		return;
	if (rename(current.path, current.older) < 0)
		return;
	cleanup_close(&current.fd);
	current.fd = open_file(current.path);
}

static void keep(void *data, const char *line)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_free_ char *now = NULL;

	(void)data;
	if (current.fd < 0 || clock_text(time(NULL), &now, &ignored) < 0)
		return;
	strbuf_addf(&text, "%s %s\n", now, line);
	if (file_write_fd(current.fd, strbuf_text(&text), text.length) == 0)
		turn();
}

void journal_begin(const char *name)
{
	_cleanup_free_ char *directory = state_directory();
	_cleanup_error_ struct error err = ERROR_INIT;

	cleanup_close(&current.fd);
	free(current.path);
	free(current.older);
	current.path = journal_path(name, false);
	current.older = journal_path(name, true);
	if (file_make_dirs(directory, 0700, &err) < 0) {
		log_warning("what is said is not kept: %s", err.message);
		return;
	}
	current.fd = open_file(current.path);
	if (current.fd < 0)
		log_warning("what is said is not kept: %s: %m", current.path);
	else
		log_keep(keep, NULL);
}

void journal_forget(const char *name)
{
	_cleanup_free_ char *path = journal_path(name, false);
	_cleanup_free_ char *older = journal_path(name, true);

	unlink(path);
	unlink(older);
}
