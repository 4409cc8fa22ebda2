/*
 * A directory is locked itself, which needs no file. A name has no file that would be there before
 * its sandbox and after it, and one that is made for it would have to be deleted while another
 * waits for it; so all names are bytes of one empty file in the user's home: locking a range needs
 * no bytes in it (fcntl(2), open file description locks). It is not looked for by $XDG_STATE_HOME:
 * who halts a sandbox when its time is over has none, and must find the same.
 */
#include "command/lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/time.h>
#include <time.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"
#include "provision/state.h"

struct lock {
	int fd;
	bool is_range; /* one byte, at @place */
	off_t place;
	const char *what; /* is locked, for people */
};

/* 0, or -1 with errno: EWOULDBLOCK when another one has it, EINTR when a signal came. */
static int take(const struct lock *lock, bool waits)
{
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	int result;

	if (!lock->is_range)
		return flock(lock->fd, LOCK_EX | (waits ? 0 : LOCK_NB));
	range.l_start = lock->place;
	result = fcntl(lock->fd, waits ? F_OFD_SETLKW : F_OFD_SETLK, &range);
	if (result < 0 && errno == EACCES)
		errno = EWOULDBLOCK; /* POSIX allows both */
	return result;
}

static void on_alarm(int number)
{
	(void)number; /* its coming is what makes the waiting return */
}

/* Every second, for one that comes between two looks is lost. */
static void set_alarm(bool on)
{
	const struct itimerval every_second = {.it_interval = {.tv_sec = on ? 1 : 0},
					       .it_value = {.tv_sec = on ? 1 : 0}};
	const struct sigaction action = {.sa_handler = on ? on_alarm : SIG_DFL};

	if (on)
		sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every_second, NULL);
	if (!on)
		sigaction(SIGALRM, &action, NULL);
}

static int wait_for(const struct lock *lock, unsigned int seconds, struct error *err)
{
	struct timespec now;
	time_t deadline;

	clock_gettime(CLOCK_MONOTONIC, &now);
	deadline = now.tv_sec + (time_t)seconds;
	while (take(lock, true) < 0) {
		if (errno != EINTR)
			return error_errno(err, EX_OSERR, "cannot lock %s", lock->what);
		if (interrupt_pending())
			return interrupt_error(err);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= deadline)
			return error_set(err, EX_TEMPFAIL,
					 "another migrant has worked on %s for %u s", lock->what,
					 seconds);
	}
	return 0;
}

static int take_or_wait(const struct lock *lock, unsigned int seconds, struct error *err)
{
	int result;

	if (take(lock, false) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return error_errno(err, EX_OSERR, "cannot lock %s", lock->what);
	if (seconds == 0)
		return error_set(err, EX_TEMPFAIL, "another migrant works on %s", lock->what);
	log_info("another migrant works on %s; waiting for it", lock->what);
	set_alarm(true);
	result = wait_for(lock, seconds, err);
	set_alarm(false);
	return result;
}

int lock_directory(const char *path, unsigned int seconds, int *ret_fd, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct lock lock = {.fd = fd, .what = "this sandbox"};

	if (fd < 0)
		return error_errno(err, EX_NOINPUT, "%s", path);
	if (take_or_wait(&lock, seconds, err) < 0)
		return -1;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* FNV-1a (RFC 9923); where two names come together, they only wait for each other. */
static off_t place_of(const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	return (off_t)(hash >> 2); /* an offset that has one after it */
}

static int open_names(struct error *err)
{
	_cleanup_free_ char *directory = state_directory_at_home();
	_cleanup_free_ char *path = text_format("%s/locks", directory);
	int fd;

	if (file_make_dirs(directory, 0700, err) < 0)
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return error_errno(err, EX_CANTCREAT, "%s", path);
	return fd;
}

int lock_name(const char *name, unsigned int seconds, int *ret_fd, struct error *err)
{
	_cleanup_close_ int fd = open_names(err);
	const struct lock lock = {
		.fd = fd,
		.is_range = true,
		.place = place_of(name),
		.what = text_equal(name, LOCK_DISKS) ? "the disks" : "this sandbox",
	};

	if (fd < 0)
		return error_prefix(err, "cannot lock %s", lock.what);
	if (take_or_wait(&lock, seconds, err) < 0)
		return -1;
	*ret_fd = take_fd(&fd);
	return 0;
}
