/*
 * libvirt waits without a limit for what it asks QEMU, and no signal ends that: with a QEMU that is
 * stopped or hangs, a call would never return. So such calls are made in a thread of their own,
 * which is left behind when nobody waits for it any more. Only virDomainDestroy() needs no such
 * care: it asks nothing, and ends the process and with it every call that waits for it.
 */
#include "domain/ask.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/process.h"
#include "base/text.h"
#include "domain/domain_xml.h"
#include "domain/libvirt.h"

struct ask {
	virDomainPtr handle; /* referenced */
	int (*function)(virDomainPtr handle);
	int event;	   /* readable when the call has returned, which makes valid: */
	int result;	   /* what it has returned */
	virErrorPtr error; /* and its error, or NULL */
	atomic_int owners; /* who waits, and the thread; the last one frees */
};

static void let_go(struct ask *ask)
{
	if (atomic_fetch_sub(&ask->owners, 1) > 1)
		return;
	virDomainFree(ask->handle);
	virFreeError(ask->error);
	close(ask->event);
	free(ask);
}

static void *call(void *data)
{
	struct ask *ask = data;

	ask->result = ask->function(ask->handle);
	if (ask->result < 0)
		ask->error = virSaveLastError();
	if (eventfd_write(ask->event, 1) < 0)
		abort(); /* the counter is at zero and the descriptor ours */
	let_go(ask);
	return NULL;
}

/* Signals are for the thread that waits. */
static int start(pthread_t *ret_thread, struct ask *ask)
{
	sigset_t all, before;
	int failure;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failure = pthread_create(ret_thread, NULL, call, ask);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failure;
}

struct ask *ask_begin(virDomainPtr handle, int (*function)(virDomainPtr handle))
{
	struct ask *ask = xcalloc(1, sizeof(*ask));
	pthread_t thread;

	*ask = (struct ask){.handle = handle,
			    .function = function,
			    .event = eventfd(0, EFD_CLOEXEC),
			    .owners = 2};
	virDomainRef(handle);
	if (ask->event < 0 || start(&thread, ask) != 0)
		abort(); /* out of memory, processes or descriptors */
	pthread_detach(thread);
	return ask;
}

static int no_answer(unsigned int seconds, struct error *err)
{
	error_set(err, EX_TEMPFAIL, "its QEMU has not answered for %u s", seconds);
	return error_hint(err, "'migrant halt -f' turns the sandbox off");
}

static int wait_for(const struct ask *ask, unsigned int seconds, struct error *err)
{
	struct pollfd fds[] = {{.fd = ask->event, .events = POLLIN},
			       {.fd = interrupt_fd(), .events = POLLIN}};
	int64_t deadline = clock_ms() + (int64_t)seconds * 1000;

	for (;;) {
		int64_t left = deadline - clock_ms();

		if (process_poll(fds, ARRAY_SIZE(fds), left > 0 ? (int)left : 0) > 0 &&
		    fds[0].revents)
			return 0;
		if (interrupt_pending())
			return interrupt_error(err);
		if (left <= 0)
			return no_answer(seconds, err);
	}
}

int ask_end(struct ask *ask, unsigned int seconds, const char *context, struct error *err)
{
	int result = wait_for(ask, seconds, err);

	if (result < 0)
		error_prefix(err, "%s", context);
	else if (ask->result < 0)
		result = libvirt_error_of(ask->error, err, EX_SOFTWARE, context);
	else
		result = ask->result;
	let_go(ask);
	return result;
}

int ask_now(virDomainPtr handle, int (*function)(virDomainPtr handle), unsigned int seconds,
	    const char *context, struct error *err)
{
	return ask_end(ask_begin(handle, function), seconds, context, err);
}

/* What QEMU is always able to say. */
static int ask_statistics(virDomainPtr handle)
{
	virDomainBlockStatsStruct statistics;

	return virDomainBlockStats(handle, DOMAIN_DISK_TARGET, &statistics, sizeof(statistics));
}

/* Without a question of our own, which would wait in the daemon behind the first. */
static bool is_known_not_to(virDomainPtr handle, unsigned int seconds)
{
	virDomainControlInfo info = {0};

	return virDomainGetControlInfo(handle, &info, 0) == 0 &&
	       info.state == VIR_DOMAIN_CONTROL_OCCUPIED &&
	       info.stateTime >= (unsigned long long)seconds * 1000;
}

int ask_answers(virDomainPtr handle, unsigned int seconds, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;

	if (is_known_not_to(handle, seconds))
		return no_answer(seconds, err);
	if (ask_now(handle, ask_statistics, seconds, "cannot ask it", &why) == 0)
		return 0;
	if (why.code < 128 && why.code != EX_TEMPFAIL)
		return 0;
	if (why.code == EX_TEMPFAIL)
		return no_answer(seconds, err);
	error_move(err, &why);
	return -1;
}
