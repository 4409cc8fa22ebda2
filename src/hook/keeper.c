/*
 * The keeper's life: open what takes root's rights, give them up, open the rest, say so, then
 * relay and log until somebody ends it. It reads one file of root's, keeper.json; after that
 * everything it hears comes from the guest, and everything it holds is bounded.
 */
#include "hook/keeper.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "hook/keeper_parts.h"
#include "hook/keeper_process.h"

#define CONFIG_MAX     65536
#define EVENTS_IN_TURN 64
#define TICK_MS	       100

/* Sources. The set holds so few that adding one fails only without memory: it is silent then, and
 * what it belongs to runs into its time-out or its cap. */

void source_watch(struct keeper *keeper, struct source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	if (source->is_registered && source->interest == events)
		return;
	if (epoll_ctl(keeper->epoll, source->is_registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
		      source->fd, &event) < 0)
		return;
	source->is_registered = true;
	source->interest = events;
}

void source_ignore(struct keeper *keeper, struct source *source)
{
	if (source->is_registered)
		(void)epoll_ctl(keeper->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	source->is_registered = false;
}

void source_close(struct keeper *keeper, struct source *source)
{
	if (source->fd < 0)
		return;
	source_ignore(keeper, source);
	close(source->fd);
	source->fd = -1;
}

/* Beginning. */

static int load_config(const char *name, struct keeper_config *ret_config, struct error *err)
{
	_cleanup_free_ char *path = text_format(RUN_DIR "/%s/" KEEPER_CONFIG_FILE, name);
	_cleanup_free_ char *text = NULL;

	if (file_read(AT_FDCWD, path, CONFIG_MAX, &text, NULL, err) < 0)
		return -1;
	return keeper_config_parse(text, ret_config, err);
}

static int open_all(struct keeper *keeper, const char *name, struct error *err)
{
	_cleanup_estate_ struct estate estate = ESTATE_INIT;
	_cleanup_close_ int earlier = keeper_open_noted(name);
	const uid_t owner = keeper->config->owner;
	gid_t group;

	estate_collect(&estate, earlier);
	if (keeper_find_group(owner, &group, err) < 0 ||
	    network_log_open(name, owner, group, keeper->log.fds, err) < 0 ||
	    keeper_open_inside(keeper, name, &estate, err) < 0 ||
	    keeper_drop_rights(owner, group, err) < 0)
		return -1;
	return keeper_open_ports(keeper, &estate, err);
}

/*
 * Restricts the system calls, says that all is open, and lets the last descriptor of the hook's go.
 * Until the restriction holds errors can be told.
 */
static int settle(struct error *err)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_close_ int answer = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (null < 0 || answer < 0 || dup2(null, STDERR_FILENO) < 0)
		return error_errno(err, EX_OSERR, "cannot let go of the hook");
	if (keeper_restrict_calls(err) < 0) {
		(void)dup2(answer, STDERR_FILENO);
		return -1;
	}
	if (file_write_fd(answer, "ok\n", 3) < 0)
		return error_errno(err, EX_OSERR, "cannot answer the hook");
	return 0;
}

static int watch_all(struct keeper *keeper, struct error *err)
{
	keeper->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (keeper->epoll < 0)
		return error_errno(err, EX_OSERR, "cannot wait for events");
	keeper->now_ms = clock_ms();
	log_begin(&keeper->log, keeper->now_ms);
	for (size_t i = 0; i < keeper->listener_count; i++)
		source_watch(keeper, &keeper->listeners[i].source, EPOLLIN);
	source_watch(keeper, &keeper->nflog, EPOLLIN);
	return 0;
}

/* Working. */

static bool needs_tick(const struct keeper *keeper)
{
	return keeper->log.suppressed || keeper->session_count || tcp_needs_tick(keeper);
}

static void tick(struct keeper *keeper)
{
	tcp_tick(keeper);
	udp_tick(keeper);
	log_tick(&keeper->log, keeper->now_ms);
}

static int turn(struct keeper *keeper, struct error *err)
{
	struct epoll_event events[EVENTS_IN_TURN];
	const int count = epoll_wait(keeper->epoll, events, EVENTS_IN_TURN,
				     needs_tick(keeper) ? TICK_MS : -1);

	if (count < 0 && errno != EINTR)
		return error_errno(err, EX_OSERR, "cannot wait for events");
	keeper->now_ms = clock_ms();
	for (int i = 0; i < count; i++) {
		struct source *source = events[i].data.ptr;

		source->handle(keeper, source, events[i].events);
	}
	if (keeper->now_ms >= keeper->next_tick_ms) {
		keeper->next_tick_ms = keeper->now_ms + TICK_MS;
		tick(keeper);
	}
	tcp_sweep(keeper);
	udp_sweep(keeper);
	return 0;
}

int keeper_main(const char *name, struct error *err)
{
	_cleanup_free_ struct keeper_config *config = xcalloc(1, sizeof(*config));
	_cleanup_free_ struct keeper *keeper = xcalloc(1, sizeof(*keeper));

	if (geteuid() != 0)
		return error_set(err, EX_NOPERM, "the keeper is started by the hook");
	if (!name_is_valid(name))
		return error_set(err, EX_USAGE, "%.64s is no sandbox name", name);
	keeper->config = config;
	umask(077);
	if (load_config(name, config, err) < 0 || open_all(keeper, name, err) < 0 ||
	    watch_all(keeper, err) < 0 || settle(err) < 0)
		return -1;
	while (turn(keeper, err) == 0)
		;
	return -1;
}
