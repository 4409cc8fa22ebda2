/*
 * The event loop. Everything that takes its time (a boot, a shutdown, a device that a guest gives
 * back) is waited for in wait_until(), which is therefore the one place that looks at Ctrl-C, at
 * the deadline and at a daemon that has died.
 */
#include "domain/wait.h"

#include <limits.h>

#include "base/interrupt.h"
#include "base/process.h"
#include "domain/libvirt.h"

#define TURNS 256

static void on_turn(int timer, void *data)
{
	(void)timer;
	(void)data;
}

/*
 * Turns of the loop that wait for nothing. The daemon closes a connection whose client leaves its
 * keep-alive messages unanswered for half a minute; ssh into a slow guest takes longer. libvirt
 * takes one message from the connection in a turn, and the guests that boot meanwhile put many
 * lines of their consoles in front of the one that counts.
 */
static void turn(void)
{
	int timer = virEventAddTimeout(0, on_turn, NULL, NULL);

	if (timer < 0)
		return;
	for (int i = 0; i < TURNS; i++)
		virEventRunDefaultImpl();
	virEventRemoveTimeout(timer);
}

void wait_init(void)
{
	static bool registered;

	if (!registered && virEventRegisterDefaultImpl() < 0)
		abort(); /* fails only when memory or descriptors run out */
	registered = true;
	process_idle = turn;
}

static void on_timeout(int timer, void *data)
{
	(void)timer;
	*(bool *)data = true;
}

/* The loop wakes up; wait_until() looks why. */
static void on_interrupt(int watch, int fd, int events, void *data)
{
	(void)watch;
	(void)fd;
	(void)events;
	(void)data;
}

static int run_until(virConnectPtr connection, bool (*done)(void *data), void *data,
		     const bool *timed_out, struct error *err)
{
	while (!done(data)) {
		if (interrupt_pending())
			return interrupt_error(err);
		if (*timed_out)
			return error_set(err, EX_TEMPFAIL, "it took too long");
		if (virConnectIsAlive(connection) != 1)
			return error_set(err, EX_UNAVAILABLE, "libvirt's daemon went away");
		if (virEventRunDefaultImpl() < 0)
			return libvirt_error(err, EX_SOFTWARE, "cannot wait for events");
	}
	return 0;
}

int wait_until(virConnectPtr connection, bool (*done)(void *data), void *data, unsigned int seconds,
	       struct error *err)
{
	bool timed_out = false;
	int limit = seconds > INT_MAX / 1000 ? INT_MAX : (int)seconds * 1000;
	int timer = seconds ? virEventAddTimeout(limit, on_timeout, &timed_out, NULL) : -1;
	int fd = interrupt_fd();
	int handle =
		fd < 0 ? -1
		       : virEventAddHandle(fd, VIR_EVENT_HANDLE_READABLE, on_interrupt, NULL, NULL);
	int result = run_until(connection, done, data, &timed_out, err);

	if (timer >= 0)
		virEventRemoveTimeout(timer);
	if (handle >= 0)
		virEventRemoveHandle(handle);
	return result;
}

static void on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail,
			 void *data)
{
	struct watch *watch = data;

	(void)connection;
	(void)domain;
	if (event == VIR_DOMAIN_EVENT_STOPPED) {
		watch->stopped = true;
		watch->stop_detail = detail;
	}
	if (event == VIR_DOMAIN_EVENT_SUSPENDED && detail == VIR_DOMAIN_EVENT_SUSPENDED_IOERROR)
		watch->io_error = true;
}

static void on_device_removed(virConnectPtr connection, virDomainPtr domain, const char *alias,
			      void *data)
{
	struct watch *watch = data;

	(void)connection;
	(void)domain;
	(void)alias;
	watch->device_removed = true;
}

static int subscribe(struct watch *watch, int event, virConnectDomainEventGenericCallback callback)
{
	return virConnectDomainEventRegisterAny(watch->connection, watch->domain, event, callback,
						watch, NULL);
}

int watch_begin(struct watch *watch, virDomainPtr domain, struct error *err)
{
	watch->connection = virDomainGetConnect(domain);
	virConnectRef(watch->connection);
	virDomainRef(domain);
	watch->domain = domain;
	watch->callbacks[0] = subscribe(watch, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
					VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle));
	watch->callbacks[1] = subscribe(watch, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
					VIR_DOMAIN_EVENT_CALLBACK(on_device_removed));
	if (watch->callbacks[0] < 0 || watch->callbacks[1] < 0) {
		watch_end(watch);
		return libvirt_error(err, EX_SOFTWARE, "cannot watch the domain");
	}
	return 0;
}

void watch_end(struct watch *watch)
{
	for (size_t i = 0; i < ARRAY_SIZE(watch->callbacks); i++)
		if (watch->callbacks[i] >= 0)
			virConnectDomainEventDeregisterAny(watch->connection, watch->callbacks[i]);
	if (watch->domain)
		virDomainFree(watch->domain);
	if (watch->connection)
		virConnectClose(watch->connection);
	*watch = (struct watch)WATCH_INIT;
}

const char *watch_stop_reason(const struct watch *watch)
{
	switch (watch->stop_detail) {
	case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
		return "it shut itself down";
	case VIR_DOMAIN_EVENT_STOPPED_DESTROYED:
		return "somebody ended it";
	case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
		return "it crashed";
	default:
		return "QEMU failed";
	}
}
